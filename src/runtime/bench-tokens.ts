/** Token ids of the texts that are timed: fixed, spread over the vocabulary. */
export function benchTokens(count: number, vocabSize: number): number[] {
  return Array.from({ length: count }, (_, index) => (index * 7919 + 13) % vocabSize);
}
