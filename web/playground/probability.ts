/** Bands of probability, each shown by a shade and by a line under the token, so that colour is not needed to tell them. */
export const bands = [
  { least: 0.8, name: '80% and more' },
  { least: 0.5, name: '50 to 80%' },
  { least: 0.2, name: '20 to 50%' },
  { least: 0.05, name: '5 to 20%' },
  { least: 0, name: 'below 5%' },
] as const;

/** Index of a token's band. */
export const bandOf = (logProb: number): number => bands.findIndex(({ least }) => Math.exp(logProb) >= least);
