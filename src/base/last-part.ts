/** What a file or folder is called: the last name of its path, which either kind of slash may divide, or end. */
export const lastPart = (path: string): string =>
  path
    .replace(/[\\/]+$/, "")
    .split(/[\\/]/)
    .at(-1)!;
