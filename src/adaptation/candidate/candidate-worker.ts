import { fork } from 'node:child_process';
import { abortError, type ErrorCode, IteraError, throwIfAborted } from '../../core/errors.ts';
import type { CandidateJob, CandidateOptions } from './candidate.ts';
import type { CandidateEvidence } from './candidate-evidence.ts';
import type { CandidateAnswer } from './candidate-process.ts';

/**
 * Makes a candidate in a process of its own, of lower priority, so that whoever asks goes on serving; see
 * `makeCandidate`. That process ends with this one.
 *
 * @throws {@link IteraError} what `makeCandidate` throws; `RUNTIME_FAILED` if the process ends before its time.
 */
export function makeCandidateAside(
  job: CandidateJob,
  { signal, onStage, onStep }: CandidateOptions = {},
): Promise<CandidateEvidence> {
  throwIfAborted(signal);
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = new URL(`./candidate-process.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const child = fork(entry, {
    execArgv: fromSource ? ['--import', import.meta.resolve('tsx')] : [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let complaint = '';
    let settle: (() => void) | undefined;
    child.stderr?.on('data', (block: Buffer) => {
      complaint = (complaint + block.toString()).slice(-2000);
    });
    const stop = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', stop, { once: true });
    child.on('message', (answer: CandidateAnswer) => {
      if ('stage' in answer) onStage?.(answer.stage);
      else if ('step' in answer) onStep?.(answer.step, answer.steps, answer.loss);
      else if ('error' in answer) {
        const { code, message, data } = answer.error;
        settle = () => reject(new IteraError(code as ErrorCode, message, data));
      } else settle = () => resolve(answer.evidence);
    });
    child.on('error', (cause) => {
      settle ??= () =>
        reject(new IteraError('RUNTIME_FAILED', `Could not start a process: ${cause.message}`, {}, { cause }));
    });
    child.once('close', (code, by) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) return reject(abortError(signal));
      if (settle) return settle();
      const last = complaint.trim().split('\n').at(-1) ?? '';
      const message = `The process that learns ended before its time (${by ?? `code ${code}`})${last === '' ? '' : `: ${last}`}.`;
      reject(new IteraError('RUNTIME_FAILED', message, { code, signal: by }));
    });
    child.send(job);
  });
}
