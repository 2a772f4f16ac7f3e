import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process on a store. */
export interface StoreProcess {
  readonly pid: number;
  /** Tells it to begin; see store-process.ts for what it can do. */
  begin(action: 'hold' | 'open' | 'run' | 'feedback', location: string): void;
  /** The next line that it says. */
  hear(): Promise<string>;
  /** Ends it with SIGKILL; returns all lines that it has said and that were not heard. */
  kill(): Promise<string[]>;
}

const program = fileURLToPath(new URL('store-process.ts', import.meta.url));

/** Starts processes at the same time, because each takes a second; they wait until they are told to begin. */
export async function startProcesses(count: number): Promise<StoreProcess[]> {
  const processes = Array.from({ length: count }, startProcess);
  await Promise.all(processes.map((child) => child.hear()));
  return processes;
}

function startProcess(): StoreProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['pipe', 'pipe', 'pipe'] });
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const said: string[] = [];
  let errors = '';
  child.stderr.on('data', (block: Buffer) => {
    errors += block.toString();
  });
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => said.push(line));
  const closed = once(lines, 'close');
  const exited = once(child, 'exit');
  return {
    pid: child.pid!,
    begin: (action, location) => child.stdin.write(`${JSON.stringify({ action, location })}\n`),
    async hear() {
      while (said.length === 0) {
        const ended = await Promise.race([once(lines, 'line').then(() => false), closed.then(() => true)]);
        if (ended && said.length === 0) throw new Error(`The process ended and said nothing: ${errors}`);
      }
      return said.shift()!;
    },
    async kill() {
      child.kill('SIGKILL');
      await Promise.all([closed, exited]);
      process.off('exit', killAtExit);
      if (errors !== '') throw new Error(`The process wrote to stderr: ${errors}`);
      return said.splice(0);
    },
  };
}
