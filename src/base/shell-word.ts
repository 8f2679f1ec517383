/** A path as it is written in a command: in quotes where a shell would take its spaces and signs for its own. */
export const shellWord = (path: string): string =>
  /^[\w./\\:@%+=,~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
