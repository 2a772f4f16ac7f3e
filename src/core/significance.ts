import { IteraError } from './errors.ts';

/** From so many degrees of freedom on, Student's distribution is the normal one to five digits. */
const mostDegrees = 1e5;

/**
 * How likely Student's t is at least as far from 0 as `t`, on either side: I(ν / (ν + t²); ν/2, 1/2) with the regularized
 * incomplete beta function I and ν degrees of freedom.
 *
 * @param degrees - More than 0; `Infinity` stands for the normal distribution.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if `t` is not a number or `degrees` is not above 0.
 * @see Abramowitz & Stegun 1964, 26.7.1.
 */
export function studentTail(t: number, degrees: number): number {
  if (Number.isNaN(t) || !(degrees > 0)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a number and degrees of freedom above 0, got ${t}, ${degrees}.`);
  }
  if (!Number.isFinite(t)) return 0;
  const used = Math.min(degrees, mostDegrees);
  return incompleteBeta(used / (used + t * t), used / 2, 0.5);
}

/**
 * The t that Student's distribution stays within, on both sides, with this probability: 1.96 for 0.95 and many degrees.
 *
 * @param confidence - Between 0 and 1, both excluded.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for another confidence, or as {@link studentTail}.
 */
export function studentQuantile(confidence: number, degrees: number): number {
  if (!(confidence > 0 && confidence < 1)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a confidence between 0 and 1, got ${confidence}.`, {
      confidence,
    });
  }
  const tail = 1 - confidence;
  let high = 1;
  while (studentTail(high, degrees) > tail) high *= 2;
  let low = 0;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (studentTail(middle, degrees) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * P-values of several tests, adjusted such that refusing those of at most q keeps the expected share of false findings among
 * all findings at or below q: with p sorted, min over j ≥ i of p(j)·m/j, and at most 1.
 *
 * @returns In the order of the p-values given.
 * @remarks Holds for independent tests and for those that depend on each other positively, as measures of one loss do.
 * @see Benjamini & Hochberg 1995, "Controlling the False Discovery Rate"; Benjamini & Yekutieli 2001 for dependence.
 */
export function adjustForDiscoveries(pValues: readonly number[]): number[] {
  const order = pValues.map((_, index) => index).sort((a, b) => (pValues[b] as number) - (pValues[a] as number));
  const adjusted = new Array<number>(pValues.length);
  let least = 1;
  order.forEach((index, place) => {
    const rank = pValues.length - place;
    least = Math.min(least, (pValues[index] as number) * (pValues.length / rank));
    adjusted[index] = least;
  });
  return adjusted;
}

/** The regularized incomplete beta function, by the continued fraction of Abramowitz & Stegun 26.5.8 (Lentz's method). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast only below the mean; beyond it the other tail is computed.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x) - Math.log(a),
  );
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    for (const term of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      fraction *= d * c;
    }
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** Stirling's series for ln Γ, after moving the argument to where six terms give all digits. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 10; z++) shift += Math.log(z);
  const inverse = 1 / (z * z);
  const series =
    (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188))))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
