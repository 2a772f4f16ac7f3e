import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A running `peer.py`: one JSON command, one JSON answer. */
export interface Peer {
  ask<T>(command: Readonly<Record<string, unknown>>): Promise<T>;
  close(): void;
}

/** Starts the PyTorch peer. `ITERA_PYTHON` names the Python, else the system's. */
export function startPeer(flags: readonly string[] = []): Peer {
  const python = process.env['ITERA_PYTHON'] ?? '/usr/bin/python3';
  const script = fileURLToPath(new URL('./peer.py', import.meta.url));
  const child: ChildProcessWithoutNullStreams = spawn(python, [script, ...flags]);
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint += data.toString();
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask<T>(command: Readonly<Record<string, unknown>>): Promise<T> {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`peer.py ended: ${complaint.trim() || 'no reason given'}`);
      const answer = JSON.parse(value) as T & { error?: string };
      if (answer.error) throw new Error(`peer.py: ${answer.error}`);
      return answer;
    },
    close: () => child.kill(),
  };
}
