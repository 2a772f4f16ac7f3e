import { readFileSync } from 'node:fs';

/** `USER_HZ` of Linux, in which `/proc` counts: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

/**
 * CPU seconds so far, user and system: of this process to the microsecond; on Linux also of its children, living or ended
 * and waited for, to 10 ms. Elsewhere the system does not tell of children.
 */
export function processCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + childSeconds(process.pid, true);
}

/** Of the children of a process, and theirs; `isOwn` leaves out the process itself. */
function childSeconds(pid: number, isOwn: boolean): number {
  const fields = readStat(pid);
  if (fields === undefined) return 0;
  // Fields 14 to 17 of proc(5), counted from the state, which is field 3.
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
  const ticks = childUser + childSystem + (isOwn ? 0 : user + system);
  return ticks / ticksPerSecond + listChildren(pid).reduce((sum, child) => sum + childSeconds(child, false), 0);
}

/** What follows the name, which may hold spaces and brackets. */
function readStat(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Started by the main thread, as Node starts all of them. */
function listChildren(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
