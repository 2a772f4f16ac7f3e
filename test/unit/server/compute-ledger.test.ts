import { describe, expect, it } from 'vitest';
import { createComputeLedger } from '../../../src/server/compute-ledger.ts';

/** A ledger over a clock that the test moves. */
function setUp() {
  let used = 10;
  const ledger = createComputeLedger(() => used);
  return {
    ledger,
    use(seconds: number) {
      used += seconds;
    },
  };
}

describe('a compute ledger', () => {
  it('gives a request that is alone all the time', () => {
    const { ledger, use } = setUp();
    const account = ledger.open(1);
    use(3);
    expect(account.seconds()).toBeCloseTo(3, 12);
    use(1);
    account.close();
    use(5);
    expect(account.seconds()).toBeCloseTo(4, 12);
  });

  it('splits the time of those that overlap by their generations, and loses none', () => {
    const { ledger, use } = setUp();
    const first = ledger.open(1);
    use(2);
    const second = ledger.open(3);
    use(4);
    second.close();
    second.close();
    use(1);
    first.close();
    expect(first.seconds()).toBeCloseTo(2 + 1 + 1, 12);
    expect(second.seconds()).toBeCloseTo(3, 12);
  });

  it('gives nobody the time between requests, or time that runs backwards', () => {
    const { ledger, use } = setUp();
    use(7);
    const account = ledger.open(1);
    use(-2);
    expect(account.seconds()).toBe(0);
    use(1);
    expect(account.seconds()).toBeCloseTo(1, 12);
  });
});
