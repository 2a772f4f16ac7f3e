import { describe, expect, it } from 'vitest';
import { packageVersion } from '../../../src/cli/package-version.ts';
import { command } from './command-line.ts';

const verbs = [
  'run',
  'train',
  'compress',
  'export',
  'bench',
  'energy',
  'report',
  'evaluate',
  'generate',
  'feedback',
  'adapt',
  'serve',
  'models',
  'datasets',
];

describe('itera-lite', () => {
  it('lists its commands on --help', async () => {
    const { code, stdout, stderr } = await command('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^ {2}${verb} +\\S.* \\S`, 'm'));
  });

  it.each(['--version', '-V'])('prints its version alone on %s', async (option) => {
    expect(await command(option)).toEqual({ code: 0, stdout: `${packageVersion}\n`, stderr: '' });
  });

  it.each(
    verbs.flatMap((verb) => [
      [verb, '--help'],
      ['help', verb],
    ]),
  )('explains: %s %s', async (...args) => {
    const verb = args.find((name) => verbs.includes(name));
    const { code, stdout, stderr } = await command(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: itera-lite ${verb}`);
    const examples = stdout.slice(stdout.search(/^Examples?:$/m)).match(new RegExp(`^ .*itera-lite ${verb}.*$`, 'gm'));
    expect(examples?.length).toBeGreaterThanOrEqual(1);
    // An example that names an option which does not exist would mislead.
    for (const [option] of (examples ?? []).join('\n').matchAll(/--[a-z-]+/g)) {
      expect(stdout.slice(0, stdout.search(/^Examples?:$/m))).toContain(`  ${option}`);
    }
  });
});

describe('wrong usage exits with 2, says on stderr what is wrong and where the options are listed, and writes nothing on stdout', () => {
  it.each<[line: string, says: RegExp]>([
    ['', /^Usage: itera-lite/],
    ['evalute', /unknown command 'evalute'.*Did you mean evaluate\?.*\nitera-lite --help lists the options\.\n$/s],
    ['--frobnicate', /unknown option '--frobnicate'.*\nitera-lite --help lists the options\.\n$/s],
    [
      'run --modle x',
      /unknown option '--modle'.*Did you mean --model\?.*\nitera-lite run --help lists the options\.\n$/s,
    ],
    ['run stories', /too many arguments.*\nitera-lite run --help lists the options\.\n$/s],
    ['run --split dev', /argument 'dev' is invalid.*train, valid, test/s],
    ['run --threads 0', /'--threads <n>' argument '0' is invalid. Expected a whole number from 1/],
    ['run --threads 100000', /Expected a whole number from 1 to 1024/],
    ['run --seed -1', /Expected a whole number from 0/],
    ['run --seed 1.5', /Expected a whole number from 0/],
    ['run --model', /'--model <dir>' argument missing/],
    [
      'evaluate',
      /required option '--dataset <name\|file>' not specified.*\nitera-lite evaluate --help lists the options\.\n$/s,
    ],
    ['evaluate --dataset stories --context none', /'--context <n>' argument 'none' is invalid/],
    ['evaluate --dataset stories --stride 0', /'--stride <n>' argument '0' is invalid/],
    ['generate Once --top-k 0', /'--top-k <n>' argument '0' is invalid/],
    ['generate Once --max-new-tokens -5', /'--max-new-tokens <n>' argument '-5' is invalid/],
    ['generate Once --temperature warm', /'--temperature <x>' argument 'warm' is invalid. Expected a number/],
    ['generate Once upon', /too many arguments/],
    [
      'compress --variant int8 --budget -1',
      /'--budget <nats>' argument '-1' is invalid. Expected a number of at least 0/,
    ],
    ['train --recipe none.json --steps 0', /'--steps <n>' argument '0' is invalid/],
    [
      'datasets download --jsn',
      /unknown option '--jsn'.*\nitera-lite datasets download --help lists the options\.\n$/s,
    ],
    ['datasets --jsn', /unknown option '--jsn'.*\nitera-lite datasets --help lists the options\.\n$/s],
  ])('%s', async (line, says) => {
    const { code, stdout, stderr } = await command(...line.split(' ').filter((word) => word !== ''));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it.each<[line: string, says: RegExp]>([
    [
      'generate Once --temperature -1',
      /^INVALID_ARGUMENT: Option temperature: expected a number of at least 0, got -1/,
    ],
    ['generate Once --top-p 1.5', /^INVALID_ARGUMENT: Option topP: expected .*, got 1\.5/],
    ['generate Once --min-p -0.1', /^INVALID_ARGUMENT: Option minP: /],
    ['generate Once --repetition-penalty 0', /^INVALID_ARGUMENT: Option repetitionPenalty: /],
    ['evaluate --dataset stories --context 64 --stride 65', /^INVALID_ARGUMENT: Expected contextLength, stride/],
    [
      'evaluate --dataset stories --split valid',
      /^INVALID_ARGUMENT: Expected a split of stories \(test\), got "valid"/,
    ],
    [
      'compress --variant int8 --variant fp16 --tune',
      /^INVALID_ARGUMENT: Expected --tune with a variant below 8 bits \(int4, q4f16, mixed\), got fp16, int8\./,
    ],
    ['train', /^INVALID_ARGUMENT: Expected --recipe FILE .* or --init MODEL and --text FILE/],
    ['train --init itera-lite-micro', /^INVALID_ARGUMENT: Expected --recipe FILE/],
    ['train --text my.txt', /^INVALID_ARGUMENT: Expected --recipe FILE/],
    ['train --recipe a.json --init-share 0.5', /^INVALID_ARGUMENT: --init-share needs --init MODEL/],
    ['train --recipe a.json --text my.txt', /^INVALID_ARGUMENT: --text and --recipe exclude each other/],
    ['run --dataset articles --split train', /^INVALID_ARGUMENT: Expected a split of articles/],
  ])('%s', async (line, says) => {
    const { code, stdout, stderr } = await command(...line.split(' '));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });
});
