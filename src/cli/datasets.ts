import { Command } from 'commander';
import { listDatasets } from '../data/dataset-files.ts';

/** `itera-lite datasets`: what can be evaluated and trained on by name, and what of it is on this machine. */
export function datasetsCommand(): Command {
  return new Command('datasets')
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--json', 'print the list as JSON on stdout')
    .addHelpText('after', '\nExample:\n  itera-lite datasets --data-dir data')
    .action(async (options: { readonly dataDir?: string; readonly json?: boolean }) => {
      const listings = await listDatasets(options.dataDir ? { dataDir: options.dataDir } : {});
      if (options.json) {
        process.stdout.write(`${JSON.stringify(listings, undefined, 2)}\n`);
        return;
      }
      for (const { entry, splits } of listings) {
        process.stdout.write(`${entry.name}  (${entry.licence}; ${entry.source})\n`);
        for (const { split, path } of splits)
          process.stdout.write(`  ${split.padEnd(6)} ${path ?? 'not on this machine'}\n`);
      }
    });
}
