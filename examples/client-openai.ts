/**
 * The same server through OpenAI's client, which waits and tries again by itself: `npm install openai`, then
 *
 *   ITERA_URL=http://127.0.0.1:8080 ITERA_API_KEY=itera_... npx tsx client-openai.ts "Once upon a time"
 */
import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: `${process.env['ITERA_URL'] ?? 'http://127.0.0.1:8080'}/v1`,
  // The client insists on one; a server without keys ignores it.
  apiKey: process.env['ITERA_API_KEY'] ?? 'none',
});
const prompt = process.argv[2] ?? 'Once upon a time';

try {
  const [model] = (await client.models.list()).data;
  const stream = await client.completions.create({ model: model?.id ?? '', prompt, max_tokens: 40, stream: true });
  process.stdout.write(prompt);
  for await (const { choices } of stream) process.stdout.write(choices[0]?.text ?? '');
  console.log();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
