import { createInterface } from 'node:readline';
import { openStore } from '../../../src/adaptation/store/store.ts';
import { IteraError } from '../../../src/core/errors.ts';

/*
 * A process of its own on a store, started by store-processes.ts: it says `ready`, waits for a line with what to do and
 * where, does it and says what came of it, a line for each step.
 */

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const actions: Readonly<Record<string, (location: string) => Promise<void>>> = {
  /** Opens and keeps the store. */
  async hold(location) {
    await openStore(location);
    say('open');
    setInterval(() => undefined, 1000);
  },
  /** Opens and closes the store. */
  async open(location) {
    const store = await openStore(location);
    say('open');
    await store.close();
  },
  /** Begins a run of a version that is there. */
  async run(location) {
    const store = await openStore(location);
    await store.startRun({ trigger: 'manual', seed: 1, parent: 'v1', settings: {} });
    say('started');
    await store.close();
  },
  /** Adds feedback for ever, and says which was acknowledged. */
  async feedback(location) {
    const store = await openStore(location);
    for (let number = 0; ; number++) {
      const prompt = `process ${process.pid}, ${number}`;
      await store.addFeedback([
        { prompt, output: 'one', rating: 1 },
        { prompt, output: 'two', rating: 5 },
      ]);
      say(prompt);
    }
  },
};

say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { action, location } = JSON.parse(line) as { action: string; location: string };
  try {
    await actions[action]!(location);
  } catch (error) {
    say(error instanceof IteraError ? error.code : String(error));
  }
}
