import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { interruptSignal } from '../../../src/cli/interrupt.ts';

const written: string[] = [];
const exit = vi.fn();
beforeEach(() => {
  written.length = 0;
  exit.mockClear();
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  vi.spyOn(process, 'exit').mockImplementation(exit as never);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const listeners = (): number[] => [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];

describe('interruptSignal', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('fires on the first %s with a message, and ends on the second', (name) => {
    const { signal, stop } = interruptSignal('stopping');
    expect(signal.aborted).toBe(false);
    process.emit(name);
    expect(signal.aborted).toBe(true);
    expect(written).toEqual(['\nstopping\n']);
    expect(exit).not.toHaveBeenCalled();
    process.emit(name);
    expect(exit).toHaveBeenCalledExactlyOnceWith(130);
    stop();
  });

  it('leaves no listener behind', () => {
    const before = listeners();
    const { signal, stop } = interruptSignal('stopping');
    expect(listeners()).toEqual(before.map((count) => count + 1));
    stop();
    expect(listeners()).toEqual(before);
    expect(signal.aborted).toBe(false);
  });
});
