/** What was read over one stretch of time. */
export interface Window {
  /** What the meter counted, the idle machine's share included. */
  readonly joules: number;
  readonly seconds: number;
  /** Time of its middle, in seconds on the protocol's clock. */
  readonly middleS: number;
  /** How often the workload ran; 0 while idle. */
  readonly runs: number;
  /** CPU cores that other programs kept busy meanwhile, on average; absent where the system does not tell. */
  readonly otherCores?: number;
}

/** The idle machine before and after the work; no windows where the meter does not count it. */
export interface IdleWindows {
  readonly before: readonly Window[];
  readonly after: readonly Window[];
}

/** Sums over some windows of one workload, the idle power subtracted. */
export interface WindowSums {
  /** Over the idle level. */
  readonly joules: number;
  readonly seconds: number;
  readonly runs: number;
}

/** Idle power at a moment, in watts: on the line through the means before and after, so that a steady drift cancels. */
export function idlePower(idle: IdleWindows): (atS: number) => number {
  const before = meanPower(idle.before);
  const after = meanPower(idle.after);
  if (!before || !after) return () => before?.watts ?? after?.watts ?? 0;
  const slope = (after.watts - before.watts) / (after.middleS - before.middleS);
  return (atS) => before.watts + slope * (atS - before.middleS);
}

/** Sums of windows over the idle level. */
export function sumWindows(windows: readonly Window[], idleW: (atS: number) => number): WindowSums {
  let [joules, seconds, runs] = [0, 0, 0];
  for (const window of windows) {
    joules += window.joules - idleW(window.middleS) * window.seconds;
    seconds += window.seconds;
    runs += window.runs;
  }
  return { joules, seconds, runs };
}

/** Mean power of some windows, and the time of their middle. */
export function meanPower(
  windows: readonly Window[],
): { readonly watts: number; readonly middleS: number } | undefined {
  if (windows.length === 0) return undefined;
  let [joules, seconds, moments] = [0, 0, 0];
  for (const window of windows) {
    joules += window.joules;
    seconds += window.seconds;
    moments += window.middleS * window.seconds;
  }
  return { watts: joules / seconds, middleS: moments / seconds };
}
