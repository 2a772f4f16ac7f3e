import { IteraError } from '../core/errors.ts';

/** A signal that fires on the first Ctrl-C (or SIGTERM); the second ends the process at once. */
export function interruptSignal(message: string): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write(`\n${message}\n`);
    controller.abort(new IteraError('ABORTED', 'Interrupted before the end.'));
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  return {
    signal: controller.signal,
    stop() {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onInterrupt);
    },
  };
}
