import { createHash } from 'node:crypto';
import { judge } from '../store/judgement.ts';
import type { StoredFeedback } from '../store/store-records.ts';
import type { Example } from './example.ts';

/** Which feedback becomes examples. */
export interface CurationOptions {
  /** Largest share of all examples that may come from one named client, above 0 and at most 1. Default 0.1. */
  readonly clientShare?: number;
  /** Examples that one client may always give, whatever the share says. Default 10. */
  readonly clientLeast?: number;
  /** Characters that a prompt or an answer may have. Default 4000. */
  readonly maximumLength?: number;
}

/** Why feedback is not learnt from. */
export type DropReason = 'unjudged' | 'tooLong' | 'superseded' | 'contradictory' | 'duplicate' | 'clientShare';

/** Feedback as it is learnt from. */
export interface Curation {
  /** Learnt from. */
  readonly training: readonly Example[];
  /** Decides when learning stops. */
  readonly stopping: readonly Example[];
  /** Decides, and does nothing else, whether what was learnt is kept. */
  readonly heldOut: readonly Example[];
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** Shares of all prompts. */
const shares = { heldOut: 0.2, stopping: 0.1 } as const;

/**
 * Turns feedback into examples. In this order:
 *
 * 1. What says neither good nor bad is left out (see {@link judge}), and what is too long.
 * 2. Of what one client says of the same prompt and output, the last counts.
 * 3. One named client says at most its share of all that is left, chosen by a hash, or it could contradict everybody; the
 *    operator's own is not limited.
 * 4. A text that is called good and bad after the same prompt is what more clients call it; at a tie, neither counts.
 * 5. Equal examples count once, and of the examples again no named client gives more than its share.
 * 6. A hash of the prompt puts an example into one of three parts, so that equal prompts stay together and new feedback
 *    moves no old one.
 */
export function curateFeedback(feedback: readonly StoredFeedback[], options: CurationOptions = {}): Curation {
  const { clientShare = 0.1, clientLeast = 10, maximumLength = 4000 } = options;
  const dropped: Record<DropReason, number> = {
    ...{ unjudged: 0, tooLong: 0, superseded: 0, contradictory: 0, duplicate: 0, clientShare: 0 },
  };
  const keep = <T>(items: readonly T[], reason: DropReason, isKept: (item: T) => boolean): readonly T[] => {
    const kept = items.filter(isKept);
    dropped[reason] += items.length - kept.length;
    return kept;
  };

  let items = keep(feedback, 'unjudged', isJudged);
  items = keep(items, 'tooLong', ({ prompt, output = '', correction = '' }) =>
    [prompt, output, correction].every(({ length }) => length <= maximumLength),
  );
  const last = new Map(items.map((item) => [opinionKey(item), item]));
  items = keep(items, 'superseded', (item) => last.get(opinionKey(item)) === item);
  const heard = withinShare(items, clientShare, clientLeast);
  items = keep(items, 'clientShare', (item) => heard.has(item));
  const votes = countVotes(items);
  const agreed = keep(items.map(withoutOutvoted(votes)), 'contradictory', ({ wanted, unwanted }) => {
    return wanted !== undefined || unwanted !== undefined;
  });
  const seen = new Set<string>();
  const distinct = keep(agreed, 'duplicate', (example) => {
    const key = JSON.stringify([normalize(example.prompt), example.wanted, example.unwanted]);
    return !seen.has(key) && seen.add(key) !== undefined;
  });
  const allowed = withinShare(distinct, clientShare, clientLeast);
  const limited = keep(distinct, 'clientShare', (example) => allowed.has(example));
  const part = (from: number, to: number): readonly Example[] =>
    limited.filter(({ prompt }) => {
      const place = hashShare(normalize(prompt));
      return place >= from && place < to;
    });
  return {
    heldOut: part(0, shares.heldOut),
    stopping: part(shares.heldOut, shares.heldOut + shares.stopping),
    training: part(shares.heldOut + shares.stopping, 1),
    dropped,
  };
}

/** A correction without an output judges nothing, but says what is wanted. */
const isJudged = (item: StoredFeedback): boolean =>
  judge(item) !== 'none' || (item.correction !== undefined && item.output === undefined);

/** Equal for texts that differ only in how they are spaced or their characters composed. */
const normalize = (text: string): string => text.normalize('NFC').trim().replace(/\s+/g, ' ');

const opinionKey = ({ id, client, prompt, output }: StoredFeedback): string =>
  JSON.stringify([client ?? id, normalize(prompt), output === undefined ? id : normalize(output)]);

/** What one piece of feedback calls good and bad. */
function textsOf(item: StoredFeedback): Pick<Example, 'wanted' | 'unwanted'> {
  const { output, correction } = item;
  if (correction !== undefined) {
    const isBetter = output !== undefined && normalize(output) !== normalize(correction) && judge(item) === 'bad';
    return { wanted: correction, ...(isBetter && { unwanted: output }) };
  }
  if (output === undefined) return {};
  return judge(item) === 'good' ? { wanted: output } : { unwanted: output };
}

/** By prompt and text, the clients that call it good less those that call it bad; the operator is one of them. */
type Votes = ReadonlyMap<string, number>;

const voteKey = (prompt: string, text: string): string => JSON.stringify([normalize(prompt), normalize(text)]);

function countVotes(items: readonly StoredFeedback[]): Votes {
  const voters = new Map<string, Map<string, 1 | -1>>();
  for (const item of items) {
    const { wanted, unwanted } = textsOf(item);
    const cast = (text: string, vote: 1 | -1): void => {
      const key = voteKey(item.prompt, text);
      const known = voters.get(key) ?? new Map<string, 1 | -1>();
      known.set(item.client ?? '', vote);
      voters.set(key, known);
    };
    if (wanted !== undefined) cast(wanted, 1);
    if (unwanted !== undefined) cast(unwanted, -1);
  }
  return new Map([...voters].map(([key, cast]) => [key, [...cast.values()].reduce((sum, vote) => sum + vote, 0)]));
}

const withoutOutvoted =
  (votes: Votes) =>
  (item: StoredFeedback): Example => {
    const { wanted, unwanted } = textsOf(item);
    const sum = (text: string): number => votes.get(voteKey(item.prompt, text)) ?? 0;
    return {
      id: item.id,
      prompt: item.prompt,
      ...(wanted !== undefined && sum(wanted) > 0 && { wanted }),
      ...(unwanted !== undefined && sum(unwanted) < 0 && { unwanted }),
      ...(item.client !== undefined && { client: item.client }),
    };
  };

/** All items but those beyond a client's share of what is left then. */
function withinShare<T extends { readonly id: string; readonly client?: string }>(
  examples: readonly T[],
  share: number,
  least: number,
): ReadonlySet<T> {
  const byClient = new Map<string | undefined, T[]>();
  for (const example of examples) {
    const own = byClient.get(example.client);
    if (own) own.push(example);
    else byClient.set(example.client, [example]);
  }
  const free = byClient.get(undefined)?.length ?? 0;
  const counts = [...byClient].flatMap(([client, own]) => (client === undefined ? [] : [own.length]));
  const limit = Math.max(least, Math.floor(share * fairTotal(free, counts, share)));
  const kept = [...byClient].flatMap(([client, own]) =>
    client === undefined || own.length <= limit
      ? own
      : own.toSorted((a, b) => hashShare(a.id) - hashShare(b.id)).slice(0, limit),
  );
  return new Set(kept);
}

/** The largest total of which no count, cut to the share of it, has more than its share. */
function fairTotal(free: number, counts: readonly number[], share: number): number {
  let total = counts.reduce((sum, count) => sum + count, free);
  for (;;) {
    const limit = Math.floor(share * total);
    const next = counts.reduce((sum, count) => sum + Math.min(count, limit), free);
    if (next >= total) return total;
    total = next;
  }
}

/** A number from 0 to 1 that depends on a text alone. */
const hashShare = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
