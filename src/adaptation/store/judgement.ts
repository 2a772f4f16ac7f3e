import type { NewFeedback } from './store-records.ts';

export type Judgement = 'good' | 'bad' | 'none';

/**
 * What feedback says of an output. Bad: it is said to be incorrect, rated 1 or 2, or corrected into something else without
 * being called correct or rated above 3. Good: it is said to be correct, or rated 4 or 5. None: what contradicts itself
 * (rated 5 and incorrect) or says neither.
 */
export function judge({
  correct,
  rating,
  correction,
  output,
}: Pick<NewFeedback, 'correct' | 'rating' | 'correction' | 'output'>): Judgement {
  const corrected = correction !== undefined && output !== undefined && correction !== output;
  const good = correct === true || (rating !== undefined && rating >= 4);
  const bad = correct === false || (rating !== undefined && rating <= 2) || (corrected && !good);
  if (good === bad) return 'none';
  return good ? 'good' : 'bad';
}
