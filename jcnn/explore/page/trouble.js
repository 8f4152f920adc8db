// A page that cannot be shown says why, in both languages, since its controls may be missing, too.

const OLD = [
  "This browser cannot unpack the page's numbers (it has no DecompressionStream): open the file in a current Chrome, Edge, Firefox (113 or later) or Safari (16.4 or later).",
  "このブラウザには DecompressionStream がなく、ページの数値を展開できません。最新の Chrome、Edge、Firefox (113 以降)、Safari (16.4 以降) で開いてください。",
];
const DAMAGED = [
  "The numbers of this page cannot be read, so the file is damaged: copy it again from where it was made, or make it again.",
  "ページの数値を読み取れません。ファイルが壊れています。元の場所からもう一度コピーするか、作り直してください。",
];
const STOPPED = [
  "The page stopped with an error: load it again without what follows # in its address, and report the error if it stays.",
  "エラーでページが止まりました。アドレスの # 以降を消して読み込み直し、直らなければエラーを報告してください。",
];

// `unpacked` is whether the page's numbers were read. The error also goes to the console.
export function showTrouble(error, unpacked) {
  const sentences = unpacked ? STOPPED : typeof DecompressionStream === "undefined" ? OLD : DAMAGED;
  const box = document.getElementById("trouble");
  [...box.children].forEach((line, i) => (line.textContent = sentences[i]));
  box.dataset.trouble = "true";
  throw error;
}
