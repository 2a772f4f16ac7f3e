/** Steps of the table in each doubling. */
const steps = 1024;

/** 2^(-i / steps), the table. */
const fractions = Float64Array.from({ length: steps }, (_, index) => 2 ** (-index / steps));

/** 2^-i; what lies below is 0 beside 1, and so is what these would leave of it. */
const powers = Float64Array.from({ length: 1000 }, (_, index) => 2 ** -index);

const stepsPerUnit = steps * Math.LOG2E;
const unitsPerStep = Math.LN2 / steps;

/**
 * e^-x for x >= 0, about three times as fast as `Math.exp`: a table of 1,024 steps in each doubling, and a cubic for the
 * rest, which is below 0.0007.
 *
 * @param x - At least 0; may be Infinity.
 * @returns Within 2e-13 of the truth, relatively, where the rounding of x itself tells; 0 from 693 on.
 * @see Tang 1989, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic", ACM
 *   Transactions on Mathematical Software 15(2).
 */
export function exponentialOfMinus(x: number): number {
  if (x >= 693) return 0;
  const scaled = x * stepsPerUnit;
  // Below 2^21, so that cutting the fraction off fits 32 bits.
  const whole = scaled | 0;
  const rest = (scaled - whole) * unitsPerStep;
  const cubic = 1 - rest * (1 - rest * (0.5 - rest / 6));
  return (powers[whole >> 10] as number) * (fractions[whole & 1023] as number) * cubic;
}
