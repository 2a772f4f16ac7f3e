/** What a process has used. */
export interface ProcessUsage {
  /** Processor time of all its threads since it started, in seconds. */
  readonly cpuS: number;
  /** Resident memory. */
  readonly residentBytes: number;
}

/** Of this process. */
export function readUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return { cpuS: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}
