/**
 * Runs work that tells what happens through a callback, as a generator: what it emits is yielded in order while it
 * runs, its result is returned, its error thrown. A caller that leaves early waits for the work to end.
 */
export async function* emitting<E, R>(work: (emit: (event: E) => void) => Promise<R>): AsyncGenerator<E, R> {
  const waiting: E[] = [];
  let wake = () => {};
  let isDone = false;
  const running = work((event) => {
    waiting.push(event);
    wake();
  }).finally(() => {
    isDone = true;
    wake();
  });
  // The error is thrown below, when everything emitted before it has been yielded.
  running.catch(() => undefined);
  try {
    while (!isDone || waiting.length > 0) {
      if (waiting.length > 0) yield waiting.shift()!;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    return await running;
  } finally {
    await running.catch(() => undefined);
  }
}
