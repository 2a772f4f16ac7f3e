/** Divides processor time among the requests that go on. */
export interface ComputeLedger {
  /**
   * Begins to count for a request.
   *
   * @param weight - Generations that it runs at once.
   */
  open(weight: number): ComputeAccount;
}

export interface ComputeAccount {
  /** Processor time of the request so far, in seconds. */
  seconds(): number;
  /** Calling it twice does nothing. */
  close(): void;
}

/**
 * A ledger in which every second of processor time is split evenly among the generations that go on while it is used:
 * those of a batch are computed together, so that no one could say whose a single product is. Time without any request
 * is nobody's.
 *
 * @param readSeconds - Processor time used so far, never less than before.
 */
export function createComputeLedger(readSeconds: () => number): ComputeLedger {
  let generations = 0;
  let seen = readSeconds();
  // Of a generation that has been there from the beginning.
  let share = 0;

  function settle(): void {
    const now = readSeconds();
    if (generations > 0) share += Math.max(0, now - seen) / generations;
    seen = now;
  }

  return {
    open(weight) {
      settle();
      generations += weight;
      const atStart = share;
      let atEnd: number | undefined;
      return {
        seconds() {
          if (atEnd === undefined) settle();
          return weight * ((atEnd ?? share) - atStart);
        },
        close() {
          if (atEnd !== undefined) return;
          settle();
          atEnd = share;
          generations -= weight;
        },
      };
    },
  };
}
