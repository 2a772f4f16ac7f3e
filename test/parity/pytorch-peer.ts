import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { python } from '../requirements.ts';

const script = fileURLToPath(new URL('../../benchmarks/pytorch/peer.py', import.meta.url));

/** The model family in PyTorch, in a process of its own; the commands are described in benchmarks/pytorch/README.md. */
export interface Peer {
  /** Sends a command. Throws if the answer is an error or the process ends without one. */
  ask(command: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>;
  stop(): Promise<void>;
}

export function startPeer(): Peer {
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });
  // A process that has gone makes writing fail; the missing answer below is what gets reported.
  child.stdin.on('error', () => undefined);
  return {
    async ask(command) {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`PyTorch ended without an answer to ${command['cmd']}: ${complaints.slice(-2000)}`);
      const answer = JSON.parse(value) as Record<string, unknown>;
      if ('error' in answer) throw new Error(`PyTorch refused ${command['cmd']}: ${answer['error']}`);
      return answer;
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
