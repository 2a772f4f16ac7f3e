import { format } from 'node:util';

const methods = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const;

/**
 * From now on keeps what is written to the console, standard output and standard error instead of showing it.
 *
 * @returns A function that returns and forgets what was written since its last call.
 */
export function recordOutput(): () => readonly string[] {
  let written: string[] = [];
  for (const method of methods) {
    console[method] = (...values: unknown[]) => {
      written.push(`console.${method}: ${format(...values)}`);
    };
  }
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      written.push(`${name}: ${typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')}`);
      const done = rest.at(-1);
      if (typeof done === 'function') done();
      return true;
    };
  }
  return () => {
    const taken = written;
    written = [];
    return taken;
  };
}
