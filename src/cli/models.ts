import { Command } from 'commander';
import {
  checkLiveFeedback,
  currentDeployment,
  findVersion,
  promoteVersion,
  rollBack,
} from '../adaptation/deployment.ts';
import { defaultFalseAlarmRate } from '../adaptation/live-test.ts';
import type { Deployment, ModelVersion } from '../adaptation/store/store-records.ts';
import { compareWeights } from '../adaptation/version-difference.ts';
import { checkVersion, findVersionFaults } from '../adaptation/version-folder.ts';
import { IteraError } from '../core/errors.ts';
import { readModelFolder } from '../models/model-folder-file.ts';
import { parseAmount, parseNumber } from './options.ts';
import { storeOption, type VersionOptions, versionsOption, withStore } from './store-options.ts';

interface ModelsOptions extends VersionOptions {
  readonly json?: boolean;
}

/** `itera-lite models`: the versions that adaptation made, which of them answers, and whether they are whole. */
export function modelsCommand(): Command {
  return new Command('models')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite models list\n  itera-lite models promote v3\n  itera-lite models rollback\n' +
        '  itera-lite models diff v1 v3\n  itera-lite models verify\n\n' +
        'Each has a --help of its own. The store is the folder adaptation unless --store or DATABASE_URL names another.\n' +
        'A version is a model folder: itera-lite evaluate --model my-store/versions/v3 and all other commands take it.',
    )
    .addCommand(command('list', 'show the versions and which of them answers').action(list))
    .addCommand(
      command('promote', 'let a version answer')
        .argument('<version>', 'its id, such as v3')
        .option('--canary <percent>', 'for this share of clients only', parseAmount)
        .addHelpText('after', '\nExample:\n  itera-lite models promote v3 --canary 10 --store my-store')
        .action(promote),
    )
    .addCommand(command('rollback', 'end a canary, or without one return to what was promoted before').action(rollback))
    .addCommand(
      command('diff', 'show what differs between two versions')
        .argument('<from>', 'id of a version')
        .argument('<to>', 'id of a version')
        .action(diff),
    )
    .addCommand(
      command('verify', 'check the files of versions against their sha256, and the audit log')
        .argument('[version...]', 'ids (default: all)')
        .action(verify),
    )
    .addCommand(
      command('check', 'roll back if live feedback on the newest version is significantly worse')
        .option(
          '--false-alarm-rate <x>',
          'chance that a sound version is ever rolled back',
          parseNumber,
          defaultFalseAlarmRate,
        )
        .action(check),
    );
}

const command = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .addOption(storeOption())
    .addOption(versionsOption())
    .option('--json', 'print it as JSON on stdout');

const print = (json: boolean | undefined, value: unknown, lines: readonly string[]): void => {
  process.stdout.write(json ? `${JSON.stringify(value, undefined, 2)}\n` : lines.map((line) => `${line}\n`).join(''));
};

async function list(options: ModelsOptions): Promise<void> {
  await withStore(options, undefined, async (store, versionsDir) => {
    const [versions, deployment] = [await store.listVersions(), await store.deployment()];
    const lines = versions.map((version) => describeVersion(version, deployment));
    const none = ['There is no version yet. The first adaptation records the model as v1: itera-lite adapt.'];
    print(options.json, { versionsDir, deployment, versions }, lines.length > 0 ? lines : none);
  });
}

function describeVersion({ id, parent, state, model, createdAt }: ModelVersion, deployment?: Deployment): string {
  const marks = [
    ...(deployment?.promoted === id ? ['promoted'] : []),
    ...(deployment?.canary?.version === id ? [`canary for ${100 * deployment.canary.share}%`] : []),
    ...(deployment?.previous === id ? ['previous'] : []),
    ...(state === 'kept' ? [] : [state]),
  ].join(', ');
  return `${id.padEnd(5)} ${createdAt.slice(0, 19)}  ${model}${parent === undefined ? '' : ` after ${parent}`}${marks === '' ? '' : `  (${marks})`}`;
}

async function promote(id: string, options: ModelsOptions & { readonly canary?: number }): Promise<void> {
  const { canary } = options;
  await withStore(options, undefined, async (store, versionsDir) => {
    const share = canary === undefined ? {} : { canaryShare: canary / 100 };
    const deployment = await promoteVersion(store, versionsDir, id, share);
    print(options.json, deployment, [
      canary === undefined ? `${id} is promoted.` : `${id} answers ${canary}% of clients.`,
    ]);
  });
}

async function rollback(options: ModelsOptions): Promise<void> {
  await withStore(options, undefined, async (store, versionsDir) => {
    const deployment = await rollBack(store, versionsDir);
    print(options.json, deployment, [`${deployment.promoted} is promoted.`]);
  });
}

async function diff(from: string, to: string, options: ModelsOptions): Promise<void> {
  await withStore(options, undefined, async (store, versionsDir) => {
    const versions = await store.listVersions();
    const [a, b] = [findVersion(versions, from), findVersion(versions, to)];
    const [before, after] = [
      await readModelFolder(await checkVersion(a, versionsDir)),
      await readModelFolder(await checkVersion(b, versionsDir)),
    ];
    const weights = compareWeights(before.weights, after.weights);
    const names = [...new Set([...Object.keys(a.files), ...Object.keys(b.files)])].sort();
    const files = names.flatMap((file) => {
      const [was, is] = [a.files[file], b.files[file]];
      if (was === is) return [];
      return [{ file, change: was === undefined ? 'added' : is === undefined ? 'removed' : 'changed' }];
    });
    print(options.json, { from, to, files, weights }, [
      ...files.map(({ file, change }) => `${change.padEnd(8)} ${file}`),
      `Weights: relative change ${weights.relative.toPrecision(3)}, largest ${weights.largest.toPrecision(3)}`,
      ...weights.tensors.slice(0, 8).map(({ name, relative }) => `  ${relative.toPrecision(3).padStart(9)}  ${name}`),
    ]);
  });
}

async function verify(ids: readonly string[], options: ModelsOptions): Promise<void> {
  await withStore(options, undefined, async (store, versionsDir) => {
    const [versions, audit] = await Promise.all([store.listVersions(), store.verifyAudit()]);
    const chosen =
      ids.length === 0
        ? versions.filter(({ state }) => state !== 'deleted')
        : ids.map((id) => findVersion(versions, id));
    const checked: { id: string; faults: readonly string[] }[] = [];
    for (const version of chosen)
      checked.push({ id: version.id, faults: await findVersionFaults(version, versionsDir) });
    const problem = audit.fault && `entry ${audit.fault.sequence}: ${audit.fault.problem}`;
    print(options.json, { versions: checked, audit }, [
      ...checked.map(({ id, faults }) => `${id.padEnd(5)} ${faults.length === 0 ? 'as recorded' : faults.join(', ')}`),
      `audit log: ${audit.entries} entries, ${problem ?? 'whole'}`,
    ]);
    if (problem) throw new IteraError('STORE_INVALID', `The audit log is not what was written: ${problem}.`);
    const [fault] = checked.filter(({ faults }) => faults.length > 0);
    if (fault)
      throw new IteraError(
        'VERSION_CORRUPT',
        `Version ${fault.id} is not what was recorded: ${fault.faults.join(', ')}.`,
      );
  });
}

async function check(options: ModelsOptions & { readonly falseAlarmRate: number }): Promise<void> {
  const { falseAlarmRate } = options;
  if (!(falseAlarmRate > 0 && falseAlarmRate < 1)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a false-alarm rate above 0 and below 1, got ${falseAlarmRate}.`);
  }
  await withStore(options, undefined, async (store, versionsDir) => {
    await currentDeployment(store);
    const live = await checkLiveFeedback(store, versionsDir, falseAlarmRate);
    if (!live) return print(options.json, { version: null }, ['Nothing is new: there is no version to compare with.']);
    const { version, against, test, rolledBack } = live;
    const shares = `${(100 * test.badShare.new).toFixed(0)}% of its answers judged bad, ${(100 * test.badShare.old).toFixed(0)}% of ${against}'s`;
    print(options.json, live, [
      `${version}: ${shares}, ${test.pairs} pairs, evidence ${test.evidence.toPrecision(3)} of ${1 / falseAlarmRate} needed`,
      rolledBack ? `${version} was rolled back.` : `${version} stays.`,
    ]);
  });
}
