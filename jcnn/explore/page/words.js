// Every visible word, in English and Japanese.

const EN = {
  close: "Close",
  input: "input",
  picture: "picture",
  pictures: "Pictures",
  label: "labelled",
  language: "Language",
  network: "Network",
  playground: "Playground",
  occlusion: "What matters",
  colours: "Colour range",
  per_unit: "each map",
  per_layer: "each layer",
  global: "all layers",
  exact: "All digits",
  rounded: "≈ marks what is rounded.",
  rounded_last: "All digits of the 64-bit numbers; where they do not add up to the last digit, ≈ says so.",
  hint: "Point at any cell to see what it reads; click it for the arithmetic. With keys: Tab to a layer, arrows to a cell, Page Up and Down through channels, Enter to open, Esc to go back.",
  hint_short: "Touch a cell to see what it reads and how it was computed.",
  reads: "reads {count} numbers of {layer}",
  reads_one: "reads one number of {layer}",
  channel: "channel",
  unit: "unit",
  row: "row",
  column: "column",
  left_out: "Not in this page, to keep it small: JAX's outputs of {layers} for picture {pictures}.",
  probability: "probability",
  predicted: "Most probable",
  conv: "convolution",
  max_pool: "max pooling",
  average_pool: "average pooling",
  flatten: "flatten",
  dense: "dense",
  activation: "activation",
  dropout: "dropout",
  batch_norm: "batch normalisation",
  softmax: "softmax",
  stride: "stride",
  dilation: "dilation",
  groups: "groups",
  rate: "rate",
  checked: "Same as JAX",
  red: "Not the same as JAX",
  unchecked: "not checked",
  check_all: "largest difference",
  check_layer: "largest difference from JAX",
  allowed: "allowed",
  window: "Window by window",
  im2col: "As a matrix product",
  how: "How it is computed",
  field: "Receptive field",
  play: "Play",
  pause: "Pause",
  step: "Step",
  back: "Back",
  reset: "Reset",
  position: "position",
  output_map: "Output map",
  move_hint: "Point at the map, or use the arrow keys on it, to move the window.",
  patch: "patch",
  kernel: "kernel",
  products: "products",
  channel_sum: "sum",
  sums: "Sums of the channels",
  bias: "bias",
  total: "output",
  padding_cell: "padding: zero",
  padding_note: "Hatched cells lie outside: padding, always zero.",
  group_note: "This filter reads only the channels of its group.",
  reached: "of",
};

const JA = {
  close: "閉じる",
  input: "入力",
  picture: "画像",
  pictures: "画像",
  label: "正解",
  language: "言語",
  network: "ネットワーク",
  playground: "実験室",
  occlusion: "重要な部分",
  colours: "色の範囲",
  per_unit: "マップごと",
  per_layer: "層ごと",
  global: "全層共通",
  exact: "全桁表示",
  rounded: "≈ は丸めた値の印です。",
  rounded_last: "64 ビット浮動小数点数の全桁です。最後の桁まで合わないときは ≈ で示します。",
  hint: "マスを指すと、読み取り元が示されます。クリックすると計算を表示します。キー操作: Tab で層、矢印でマス、Page Up / Down でチャンネル、Enter で開く、Esc で戻る。",
  hint_short: "マスに触れると、読み取り元と計算を表示します。",
  reads: "{layer} の {count} 個の値を読む",
  reads_one: "{layer} の 1 個の値を読む",
  channel: "チャンネル",
  unit: "ユニット",
  row: "行",
  column: "列",
  left_out: "ページを小さくするため、画像 {pictures} の {layers} の JAX の出力は含まれていません。",
  probability: "確率",
  predicted: "最も確からしい",
  conv: "畳み込み",
  max_pool: "最大プーリング",
  average_pool: "平均プーリング",
  flatten: "平坦化",
  dense: "全結合",
  activation: "活性化",
  dropout: "ドロップアウト",
  batch_norm: "バッチ正規化",
  softmax: "ソフトマックス",
  stride: "ストライド",
  dilation: "ダイレーション",
  groups: "グループ",
  rate: "割合",
  checked: "JAX と一致",
  red: "JAX と不一致",
  unchecked: "未照合",
  check_all: "最大の差",
  check_layer: "JAX との最大の差",
  allowed: "許容",
  window: "窓ごとに",
  im2col: "行列の積として",
  how: "計算のしかた",
  field: "受容野",
  play: "再生",
  pause: "一時停止",
  step: "一歩進む",
  back: "一歩戻る",
  reset: "最初から",
  position: "位置",
  output_map: "出力マップ",
  move_hint: "マップを指すか、矢印キーで窓を動かせます。",
  patch: "パッチ",
  kernel: "カーネル",
  products: "積",
  channel_sum: "和",
  sums: "チャンネルごとの和",
  bias: "バイアス",
  total: "出力",
  padding_cell: "パディング: ゼロ",
  padding_note: "斜線のマスは外側のパディングで、常にゼロです。",
  group_note: "このフィルタは、自分のグループのチャンネルだけを読みます。",
  reached: "/",
};

const LANGUAGES = { en: EN, ja: JA };

// The table of a language, "en" or "ja".
export function words(language) {
  return LANGUAGES[language];
}

// A sentence with its gaps filled: "{n} of {all}".
export function fillIn(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (gap, name) => String(values[name] ?? gap));
}

// What a layer is, in a few words: "convolution 3 × 3, stride 2".
export function typeOf(layer, w) {
  const size = (pair) => pair.join(" × ");
  const parts = [w[layer.kind]];
  if (layer.kind === "conv") parts[0] += ` ${size(layer.arrays.kernel.shape.slice(0, 2))}`;
  if (layer.window) parts[0] += ` ${size(layer.window)}`;
  if (layer.kind === "activation") parts[0] = layer.function;
  if (layer.kind === "dropout") parts.push(`${w.rate} ${layer.rate}`);
  const plain = layer.window ?? [1, 1];
  if (layer.stride && String(layer.stride) !== String(plain)) {
    parts.push(`${w.stride} ${layer.stride[0] === layer.stride[1] ? layer.stride[0] : size(layer.stride)}`);
  }
  if (layer.dilation && Math.max(...layer.dilation) > 1) {
    const [down, right] = layer.dilation;
    parts.push(`${w.dilation} ${down === right ? down : size(layer.dilation)}`);
  }
  if (layer.groups > 1) parts.push(`${w.groups} ${layer.groups}`);
  return parts.join(", ");
}
