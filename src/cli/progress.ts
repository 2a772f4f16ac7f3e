import cliProgress from 'cli-progress';
import type { StageProgress } from '../validation/stage.ts';

export interface ProgressUpdate {
  readonly done: number;
  readonly total: number;
  /** What is counted, singular. */
  readonly unit: string;
  readonly detail?: string;
}

/** Shows how long work gets on, on stderr: a bar with rate and remaining time on a terminal, plain lines elsewhere. */
export interface Progress {
  update(update: ProgressUpdate): void;
  /** A job of unequal stages: one bar over all of it; elsewhere a line when a stage begins, and now and then within. */
  stage(at: StageProgress): void;
  /** Work whose end is not known: the latest state, in place on a terminal. */
  count(state: string): void;
  /** A line of its own. */
  note(line: string): void;
  end(): void;
}

/** Seconds between plain lines where there is no terminal. */
const plainEverySeconds = 30;

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? barProgress(stream) : plainProgress(stream);
}

function barProgress(stream: NodeJS.WriteStream): Progress {
  let bar: cliProgress.SingleBar | undefined;
  let counting = false;
  let ticking: NodeJS.Timeout | undefined;
  const end = (): void => {
    clearInterval(ticking);
    ticking = undefined;
    bar?.stop();
    bar = undefined;
    if (counting) stream.write('\n');
    counting = false;
  };
  return {
    update({ done, total, unit, detail = '' }) {
      if (!bar) {
        const format = `[{bar}] {percentage}% {value}/{total} ${unit}s  ETA {eta_formatted}  {detail}`;
        bar = new cliProgress.SingleBar({ format, stream, hideCursor: true, etaBuffer: 100, clearOnComplete: true });
        bar.start(total, done, { detail });
      }
      bar.update(done, { detail });
    },
    stage(at) {
      if (!bar) {
        const format = '[{bar}] {percentage}%  {stage} stages{left}  {detail}';
        bar = new cliProgress.SingleBar({ format, stream, hideCursor: true, clearOnComplete: true });
        bar.start(100, 0, describeStage(at));
      }
      const shown = bar;
      const since = performance.now();
      const show = (): void => {
        const remainingS = at.remainingS - (performance.now() - since) / 1000;
        shown.update(Math.floor(100 * at.share), describeStage({ ...at, remainingS }));
      };
      show();
      clearInterval(ticking);
      // The remaining time goes on while a stage has nothing to say.
      ticking = setInterval(show, 1000).unref();
    },
    count(state) {
      bar?.stop();
      bar = undefined;
      stream.clearLine(0);
      stream.cursorTo(0);
      stream.write(state);
      counting = true;
    },
    note(line) {
      end();
      stream.write(`${line}\n`);
    },
    end,
  };
}

function describeStage({ name, detail, place, total, remainingS }: StageProgress) {
  const left = remainingS < 1 ? '' : `, about ${describeSeconds(remainingS)} left`;
  return { stage: `${place}/${total}`, left, detail: detail === undefined ? name : `${name}: ${detail}` };
}

const describeSeconds = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

function plainProgress(stream: NodeJS.WriteStream): Progress {
  let started: { at: number; done: number } | undefined;
  let last = Number.NEGATIVE_INFINITY;
  let lastPlace = 0;
  return {
    update({ done, total, unit, detail = '' }) {
      const now = performance.now();
      started ??= { at: now, done };
      if (now - last < plainEverySeconds * 1000 && done < total) return;
      last = now;
      const rate = (done - started.done) / ((now - started.at) / 1000);
      const remaining = rate > 0 ? `, ${Math.round((total - done) / rate)} s left` : '';
      stream.write(`${done}/${total} ${unit}s${remaining}  ${detail}\n`);
    },
    stage(at) {
      const now = performance.now();
      if (at.place === lastPlace && now - last < plainEverySeconds * 1000) return;
      last = now;
      lastPlace = at.place;
      const { stage, left, detail } = describeStage(at);
      stream.write(`${stage} stages${left}  ${detail}\n`);
    },
    count(state) {
      if (performance.now() - last < plainEverySeconds * 1000) return;
      last = performance.now();
      stream.write(`${state}\n`);
    },
    note(line) {
      stream.write(`${line}\n`);
    },
    end() {
      started = undefined;
    },
  };
}
