import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** A process, as others can look for it. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When it began, in whatever unit the system counts; absent where the system does not tell. */
  readonly began?: string;
}

export async function thisProcess(): Promise<ProcessIdentity> {
  const status = await readStatus(process.pid);
  return { pid: process.pid, host: hostname(), ...(status && { began: status.began }) };
}

/**
 * Whether a process has certainly ended: nothing is known of one on another host.
 *
 * @remarks Numbers are given again, after a restart of a container even at once; `began` tells the two apart on Linux.
 */
export async function hasEnded({ pid, host, began }: ProcessIdentity): Promise<boolean> {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process refuses the signal, but is there.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const now = await readStatus(pid);
  if (!now) return false;
  return isDead(now.state) || (began !== undefined && now.began !== began);
}

/** A process that has ended may keep its number until its parent asks how. */
const isDead = (state: string | undefined): boolean => state === 'Z' || state === 'X';

/** State of a process on Linux, and its beginning: boot of the machine and ticks since then. */
async function readStatus(pid: number): Promise<{ readonly state?: string; readonly began: string } | undefined> {
  try {
    const [boot, line] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The second field is a name in parentheses that may hold spaces; the state is the third, the beginning the 22nd.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    return ticks === undefined
      ? undefined
      : { ...(state !== undefined && { state }), began: `${boot.trim()} ${ticks}` };
  } catch {
    return undefined;
  }
}
