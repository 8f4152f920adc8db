// The words of the pictures that maximise a channel; both languages have the same keys.
export const maximisedWords = {
  en: {
    maximisedTitle: "Picture that maximises it",
    maximisedIntro: "Gradient ascent changed the pixels of grey noise in 100 steps so that the mean of this channel over all cells of {layer} grew. It shows what the channel responds to, and was computed when the page was made, with its parameters.",
    maximisedMean: "mean of channel {channel}",
    maximisedNow: "in the current picture",
    maximisedRun: "Run the network on it",
    maximisedNone: "Channel {channel} has none. Those that were most active in the pictures of this page have one:",
    maximisedOthers: "The other channels of {layer}",
    maximisedOpen: "show channel {channel}",
    maximisedName: "maximises channel {channel} of {layer}",
  },
  ja: {
    maximisedTitle: "最も強く反応させる画像",
    maximisedIntro: "灰色のノイズから始め、{layer} のこのチャンネルの全マスの平均が大きくなるように、勾配上昇法で画素を 100 回変えた画像です。チャンネルが何に反応するかを示します。ページの作成時に、そのパラメータで計算されました。",
    maximisedMean: "チャンネル {channel} の平均",
    maximisedNow: "現在の画像では",
    maximisedRun: "この画像でネットワークを計算",
    maximisedNone: "チャンネル {channel} にはありません。このページの画像で最も強く反応した次のチャンネルにあります。",
    maximisedOthers: "{layer} の他のチャンネル",
    maximisedOpen: "チャンネル {channel} を表示",
    maximisedName: "{layer} のチャンネル {channel} を最大にする画像",
  },
};
