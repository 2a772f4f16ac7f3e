/** What a sequential test has found so far. */
export interface LiveTest {
  /** Pairs of judgements that were compared. */
  readonly pairs: number;
  /** Shares of bad judgements among them. */
  readonly badShare: { readonly old: number; readonly new: number };
  /** The largest evidence so far that the new version is worse; 1 is none. */
  readonly evidence: number;
  /** Whether it is beyond 1 / false-alarm rate. */
  readonly isWorse: boolean;
}

/** Share of no difference at which a sound version is rolled back, however long it is watched. */
export const defaultFalseAlarmRate = 0.01;

const bets = [0.1, 0.2, 0.35, 0.5, 0.7, 0.9] as const;

/**
 * Tests whether a new version is judged bad more often than an old one, and may be asked after every judgement: for each
 * stake b, the wealth of a gambler who bets that share of it on "new is bad, old is not" in every pair,
 * `prod(1 + b (new_i - old_i))`, has a mean of at most 1 if new is not worse. So has the mean over stakes, and by Ville's
 * inequality it ever exceeds 1/a with a probability of at most a: the chance of a false alarm over all time.
 *
 * Pairs are the i-th judgement of each; it is assumed that these are independent and that a version's share of bad ones
 * does not drift. Judgements without a partner wait.
 *
 * @param old - True is bad, in the order in which they came; `now` likewise for the new version.
 * @see Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting", arXiv:2010.09686.
 */
export function testLiveFeedback(
  old: readonly boolean[],
  now: readonly boolean[],
  falseAlarmRate: number = defaultFalseAlarmRate,
): LiveTest {
  const pairs = Math.min(old.length, now.length);
  const wealth = bets.map(() => 1);
  let evidence = 1;
  const bad = { old: 0, new: 0 };
  for (let index = 0; index < pairs; index++) {
    bad.old += Number(old[index]);
    bad.new += Number(now[index]);
    const difference = Number(now[index]) - Number(old[index]);
    bets.forEach((bet, at) => {
      wealth[at] = (wealth[at] as number) * (1 + bet * difference);
    });
    evidence = Math.max(evidence, wealth.reduce((sum, value) => sum + value, 0) / bets.length);
  }
  const share = (count: number): number => (pairs === 0 ? 0 : count / pairs);
  return {
    pairs,
    badShare: { old: share(bad.old), new: share(bad.new) },
    evidence,
    isWorse: evidence >= 1 / falseAlarmRate,
  };
}
