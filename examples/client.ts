/**
 * Asks a server for a text, for another as a stream, and says what the first was worth. Needs Node 20 and no package:
 *
 *   ITERA_URL=http://127.0.0.1:8080 ITERA_API_KEY=itera_... npx tsx client.ts "Once upon a time"
 */
import { setTimeout as sleep } from 'node:timers/promises';

const address = process.env['ITERA_URL'] ?? 'http://127.0.0.1:8080';
const key = process.env['ITERA_API_KEY'];
const prompt = process.argv[2] ?? 'Once upon a time';

/** Posts JSON; waits as long as the server says where there were too many requests. */
async function post(path: string, body: object): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(`${address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify(body),
    }).catch((error: Error) => {
      throw new Error(
        `${address} does not answer: ${error.cause instanceof Error ? error.cause.message : error.message}`,
      );
    });
    if (answer.ok) return answer;
    if (answer.status === 429 && tries < 3) {
      await sleep(1000 * Number(answer.headers.get('retry-after') ?? 1));
      continue;
    }
    const said = (await answer.json().catch(() => ({}))) as { error?: { message: string } };
    throw new Error(`${answer.status}: ${said.error?.message ?? answer.statusText}`);
  }
}

/** The objects of a stream of server-sent events. */
async function* readEvents(
  answer: Response,
): AsyncGenerator<{ error?: { message: string }; choices?: { text: string }[] }> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const block of answer.body ?? []) {
    const lines = (rest + decoder.decode(block, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data: ') && line !== 'data: [DONE]') yield JSON.parse(line.slice('data: '.length));
    }
  }
}

try {
  const inferred = await post('/infer', { input_text: prompt, max_length: 40, client: 'example' });
  const { output_text: text, inference_id: id } = (await inferred.json()) as {
    output_text: string;
    inference_id: string | null;
  };
  console.log(`${prompt}${text}\n`);

  process.stdout.write(prompt);
  for await (const { error, choices } of readEvents(
    await post('/v1/completions', { prompt, max_tokens: 40, stream: true }),
  )) {
    // What fails in the midst of a stream comes as an event.
    if (error) throw new Error(error.message);
    process.stdout.write(choices?.[0]?.text ?? '');
  }
  console.log('\n');

  if (id === null) console.log('The server keeps no answers, so that there is nothing to judge.');
  else {
    const judged = await post('/feedback', { feedback_id: id, user_rating: 5, client: 'example' });
    console.log(`feedback ${((await judged.json()) as { id: string }).id}`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
