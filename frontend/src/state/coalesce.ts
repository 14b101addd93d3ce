/** Many calls, few runs: what the eye cannot follow is not worth drawing. */

/** Return a function that runs `task` once, `ms` after the first of any number of calls. */
export function coalesce(ms: number, task: () => void): { (): void; cancel(): void } {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const call = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      task();
    }, ms);
  };
  call.cancel = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
  };
  return call;
}
