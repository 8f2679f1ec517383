/**
 * Whether a path that a file or a server names is relative and never goes up. Backslashes and drive letters, which Windows reads,
 * count too.
 */
export const staysInside = (path: string): boolean =>
  !/^[/\\]|^[a-z]:|\0/i.test(path) && path.split(/[/\\]/).every((part) => part !== "..");
