/** What is known of the machine that does the work; see `describeMachine`. */
export interface Machine {
  /** As the system names it, e.g. `AMD EPYC 7742 64-Core Processor`. */
  readonly cpuModel: string;
  /** Family and model number of an x86 processor, which tell its generation where a hypervisor hides the name. */
  readonly cpuFamily?: number;
  readonly cpuModelNumber?: number;
  readonly logicalCpus: number;
  /** As `process.arch` names it. */
  readonly architecture: string;
  /** As `process.platform` names it. */
  readonly platform: string;
  /** What showed that this is a virtual machine, in words; absent on bare metal. */
  readonly virtualization?: string;
}

/** What one logical CPU that is busy draws over the idle level: bounds, not a confidence interval. */
export interface CorePower {
  readonly lowW: number;
  readonly highW: number;
  /** What the bounds are for, e.g. `AMD EPYC of the second generation`. */
  readonly name: string;
  /** What the bounds rest on, with the source. */
  readonly basis: string;
  /** Whether nothing is known of the processor but that it is one. */
  readonly isDefault: boolean;
}

/**
 * Reading DRAM over the idle level: none, up to 10 GB/s by one core at 1,300 pJ for 64 bits, which is 163 pJ a byte.
 *
 * @see Jouppi et al. 2021, "Ten Lessons From Three Generations Shaped Google's TPUv4i", table 2 (DDR3/DDR4).
 */
const memoryHighW = 1.6;

/** A server: its coefficient is what a hardware thread adds at the wall, from active idle to all threads busy. */
interface ServerGeneration {
  readonly name: string;
  /** Watts of a server per hardware thread, all of them busy, less those in active idle. */
  readonly threadW: number;
  readonly matches: (machine: Machine) => boolean;
}

const named = (pattern: RegExp) => (machine: Machine) => pattern.test(machine.cpuModel);

const isEpyc = named(/\bEPYC\b/i);

/** Family and model numbers of AMD's servers; clouds show the name `AMD EPYC` without any number. */
const isEpycModel =
  (name: RegExp, family: number, firstModel: number, lastModel: number) =>
  (machine: Machine): boolean => {
    if (!isEpyc(machine)) return false;
    if (name.test(machine.cpuModel)) return true;
    const { cpuFamily, cpuModelNumber = -1 } = machine;
    return cpuFamily === family && cpuModelNumber >= firstModel && cpuModelNumber <= lastModel;
  };

/** Differences of the least and the greatest watts per thread in Cloud Carbon Footprint's table. */
const serverGenerations: readonly ServerGeneration[] = [
  { name: 'AMD EPYC of the first generation', threadW: 1.73, matches: isEpycModel(/EPYC 7\d\d1\b/i, 23, 0, 15) },
  { name: 'AMD EPYC of the second generation', threadW: 1.22, matches: isEpycModel(/EPYC 7\w\d2\b/i, 23, 48, 63) },
  { name: 'AMD EPYC of the third generation', threadW: 1.57, matches: isEpycModel(/EPYC 7\w\d3\w?\b/i, 25, 0, 15) },
  { name: 'Intel Xeon, Cascade Lake', threadW: 3.33, matches: named(/Xeon.*(Platinum 82|Gold [56]2|Silver 42)\d\d/i) },
  { name: 'Intel Xeon, Skylake', threadW: 3.61, matches: named(/Xeon.*(Platinum 81|Gold [56]1|Silver 41)\d\d/i) },
  { name: 'Intel Xeon, Broadwell', threadW: 2.98, matches: named(/Xeon.*\bE5-\d{4}\w? v4\b/i) },
  { name: 'Intel Xeon, Haswell', threadW: 3.74, matches: named(/Xeon.*\bE5-\d{4}\w? v3\b/i) },
  { name: 'Intel Xeon, Ivy Bridge', threadW: 5.21, matches: named(/Xeon.*\bE5-\d{4}\w? v2\b/i) },
  { name: 'Intel Xeon, Sandy Bridge', threadW: 6.41, matches: named(/Xeon.*\bE5-\d{4}\w?( 0)?\b(?! v\d)/i) },
];

const serverTable =
  'Cloud Carbon Footprint, watts per thread by processor (AzureFootprintEstimationConstants.ts), from SPECpower_ssj2008';

/**
 * From somewhat below that coefficient (Java of SPECpower is not matrix products) to four times as much: a thread that has
 * its core to itself draws the sibling's share too, and at the highest clock about twice the power of the all-core one.
 */
const serverRange = [0.75, 4] as const;

interface PowerClass {
  readonly name: string;
  readonly lowW: number;
  readonly highW: number;
  readonly basis: string;
  readonly matches: (machine: Machine) => boolean;
}

/** Without a known generation, tried in this order. */
const powerClasses: readonly PowerClass[] = [
  {
    name: 'server processor of unknown generation',
    lowW: 0.9,
    highW: 20,
    basis:
      `from 0.75 times the least coefficient of ${serverTable} to 20 W, the greatest nominal power per core of a current ` +
      "server (AMD EPYC 9174F: 320 W, 16 cores); the whole server's share, memory included",
    matches: named(/\bEPYC\b|\bXeon\b|Graviton|Neoverse|Ampere/i),
  },
  {
    name: 'Apple silicon',
    lowW: 0.2,
    highW: 10,
    basis:
      "around the 4 W that are a core's share of what a Mac mini (M1, 8 cores) draws at most over idle, the whole machine: 39 W " +
      "and 7 W by Apple's figures; an efficiency core draws far less, a core alone and later ones more",
    matches: named(/^Apple\b/i),
  },
  {
    name: 'laptop processor',
    lowW: 1,
    highW: 20 + memoryHighW,
    basis:
      'from 15 W of nominal package power over 16 threads to one core that takes the 20 W of a short-term limit, and up ' +
      `to ${memoryHighW} W for memory (Jouppi et al. 2021, table 2, at 10 GB/s)`,
    matches: named(/(Core.*\bi[3579]-\d{4,5}|Ryzen.*\b\d{4})(U|H|HX|HS|HQ|HK|P|Y|G\d)\b|Core.*Ultra.*\d(U|H|HX|V)\b/i),
  },
  {
    name: 'desktop processor',
    lowW: 2,
    highW: 30 + memoryHighW,
    basis:
      'around an AMD Ryzen 9 5950X, whose package draws 142 W with all 32 threads busy, 4.4 W each, and whose core alone ' +
      'draws 20.6 W (AnandTech 16214, 2020), with room for slower and faster ones; and up to ' +
      `${memoryHighW} W for memory (Jouppi et al. 2021, table 2, at 10 GB/s)`,
    matches: named(/\bCore\b.*(\bi[3579]-|Ultra)|\bRyzen\b/i),
  },
  {
    name: 'small Arm board',
    lowW: 0.3,
    highW: 3,
    basis:
      'around a Raspberry Pi 4, whose four busy cores add 3.7 W to 2.7 W at idle, the whole board (Raspberry Pi Dramble, ' +
      'power consumption benchmarks)',
    matches: (machine) => /^arm/.test(machine.architecture) && machine.platform === 'linux' && machine.logicalCpus <= 4,
  },
];

const defaultClass: CorePower = {
  name: 'unknown processor',
  lowW: 0.2,
  highW: 30 + memoryHighW,
  basis: 'from a core that saves power to one of a fast desktop alone at its highest clock, memory included',
  isDefault: true,
};

/**
 * Bounds of what one busy logical CPU draws over the idle level, from the processor's name or numbers; wide where these
 * tell little. Memory is included; graphics, disks and screens are not.
 *
 * @returns Watts.
 */
export function corePower(machine: Machine): CorePower {
  const generation = serverGenerations.find(({ matches }) => matches(machine));
  if (generation) {
    const { name, threadW } = generation;
    const [low, high] = serverRange;
    return {
      ...{ name, lowW: threadW * low, highW: threadW * high, isDefault: false },
      basis: `${low} to ${high} times the ${threadW} W that a busy thread adds to an idle server, memory included (${serverTable})`,
    };
  }
  const found = powerClasses.find(({ matches }) => matches(machine));
  if (!found) return defaultClass;
  const { name, lowW, highW, basis } = found;
  return { name, lowW, highW, basis, isDefault: false };
}
