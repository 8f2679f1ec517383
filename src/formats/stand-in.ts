/** Bytes from the start of a file by which it is seen to be something else. */
export const standInBytes = 40;

const standIns: readonly (readonly [RegExp, string])[] = [
  [
    /^version https:\/\/git-lfs/,
    'it is a pointer of Git LFS, which stands for the contents: fetch them with "git lfs pull"',
  ],
  [/^\s*<(!doctype|html|\?xml)/i, "it is a page of the web, as a server sends instead of a file"],
];

/** What a pointer of Git LFS is, in words; undefined for anything else. Unlike a page of the web it is never data. */
export const pointerIn = (start: Uint8Array): string | undefined => {
  const [pattern, what] = standIns[0]!;
  return pattern.test(new TextDecoder("latin1").decode(start.subarray(0, standInBytes))) ? what : undefined;
};

/** What a file is that is there in place of the one meant, by its first bytes; undefined for anything else. */
export function standInOf(start: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(start);
  return standIns.find(([pattern]) => pattern.test(text))?.[1];
}

const others: readonly (readonly [RegExp, string])[] = [
  [
    /^PK\p{Cc}{2}/u,
    "it is a zip archive, such as a checkpoint of PyTorch or a download that is still to be unpacked",
  ],
  // 0x80 and a version; decoders differ on whether latin1 is windows-1252, which has the euro there
  [/^[\u0080€]\p{Cc}/u, "it is a pickle of Python, such as an old checkpoint of PyTorch"],
  [/^[\t\n\r -~]{12,}$/, "it is text"],
];

/** What a file is that cannot be read as what it is called, by its first bytes; undefined where they do not tell. */
export function otherFormatOf(start: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(start);
  return standInOf(start) ?? others.find(([pattern]) => pattern.test(text))?.[1];
}
