import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { downloadHubFile } from '../../../src/data/hub-download-file.ts';
import { type HubFile, listHubFiles } from '../../../src/data/hub-listing-file.ts';
import type { HubAccess } from '../../../src/data/hub-request-file.ts';
import { type HubServer, sendAndCut, sendContent, sha256, startHub } from './hub-server.ts';

const random = createRandom(1);
const content = Uint8Array.from({ length: 300_000 }, () => random.integer(256));
const token = 'hf_secret';

let hub: HubServer;
let folder: string;
let target: string;
let waits: number[];
let access: HubAccess;

beforeEach(async () => {
  hub = await startHub();
  hub.files.set('data/part.bin', content);
  folder = await mkdtemp(join(tmpdir(), 'itera-hub-'));
  target = join(folder, 'made', 'part.bin');
  waits = [];
  const wait = async (ms: number) => {
    waits.push(ms);
  };
  access = { settings: { endpoint: hub.endpoint, offline: false }, retry: { wait, random: () => 0 }, stallMs: 5000 };
});

afterEach(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

async function listedFile(): Promise<HubFile> {
  const { files } = await listHubFiles('some/repository', 'main', ['data'], access);
  return files[0] as HubFile;
}

const contentRequests = () => hub.requests.filter(({ path }) => path.includes('/resolve/') || path.startsWith('/cdn'));

describe('downloadHubFile', () => {
  it('brings the file under its name only when it is whole, and knows it again', async () => {
    const file = await listedFile();
    const seen: number[] = [];
    expect(await downloadHubFile(file, target, { ...access, onProgress: (bytes) => seen.push(bytes) })).toBe(false);
    expect(new Uint8Array(await readFile(target))).toEqual(content);
    expect(await readdir(join(folder, 'made'))).toEqual(['part.bin']);
    expect(seen[0]).toBe(0);
    expect(seen.at(-1)).toBe(content.length);
    expect(await downloadHubFile(file, target, access)).toBe(true);
    expect(contentRequests()).toHaveLength(1);
  });

  it('replaces a file of that name that has other content', async () => {
    const file = await listedFile();
    await downloadHubFile(file, target, access);
    await writeFile(
      target,
      content.map((byte) => byte ^ 1),
    );
    expect(await downloadHubFile(file, target, access)).toBe(false);
    expect(sha256(await readFile(target))).toBe(file.hash.value);
  });

  it('goes on where cut connections broke off, without asking for any byte twice', async () => {
    hub.onFile = ({ headers }, response, count) => {
      if (count >= 3) return false;
      sendAndCut(content, headers.range, 70_000, response);
      return true;
    };
    await downloadHubFile(await listedFile(), target, access);
    expect(sha256(await readFile(target))).toBe(sha256(content));
    expect(contentRequests().map(({ range }) => range)).toEqual([
      undefined,
      'bytes=70000-',
      'bytes=140000-',
      'bytes=210000-',
    ]);
    expect(hub.bytesSent()).toBe(content.length);
    expect(contentRequests()[1]?.ifRange).toBe(`"${sha256(content)}"`);
  });

  it('goes on in a later call, also after it was told to stop', async () => {
    const controller = new AbortController();
    hub.onFile = ({ headers }, response, count) => {
      if (count > 0) return false;
      response.writeHead(200, { 'content-length': content.length, etag: '"x"' });
      response.write(content.subarray(0, 100_000));
      return headers.range === undefined;
    };
    const file = await listedFile();
    const stopped = downloadHubFile(file, target, {
      ...access,
      signal: controller.signal,
      onProgress: (bytes) => bytes === 100_000 && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await readFile(`${target}.part`)).length).toBe(100_000);
    await downloadHubFile(file, target, access);
    expect(contentRequests().at(-1)?.range).toBe('bytes=100000-');
    expect(sha256(await readFile(target))).toBe(sha256(content));
  });

  it('gives up a silent connection and goes on', async () => {
    hub.onFile = (_, response, count) => {
      if (count > 0) return false;
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 1000));
      return true;
    };
    await downloadHubFile(await listedFile(), target, { ...access, stallMs: 100 });
    expect(contentRequests().at(-1)?.range).toBe('bytes=1000-');
    expect(sha256(await readFile(target))).toBe(sha256(content));
  });

  it('says so when connections stay silent', async () => {
    hub.onFile = () => true;
    const silent = downloadHubFile(await listedFile(), target, {
      ...access,
      stallMs: 30,
      retry: { ...access.retry, attempts: 2 },
    });
    await expect(silent).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('sent nothing for 30 ms; 2 attempts'),
    });
  });

  it('is patient with a connection that is slow but alive', async () => {
    const small = content.subarray(0, 12);
    hub.files.set('data/part.bin', small);
    hub.onFile = (_, response) => {
      response.writeHead(200, { 'content-length': small.length });
      let sent = 0;
      const timer = setInterval(() => {
        response.write(small.subarray(sent, ++sent));
        if (sent < small.length) return;
        clearInterval(timer);
        response.end();
      }, 20);
      return true;
    };
    await downloadHubFile(await listedFile(), target, { ...access, stallMs: 2000 });
    expect(contentRequests()).toHaveLength(1);
  });

  it('starts over when the server ignores ranges', async () => {
    hub.onFile = ({ headers }, response, count) => {
      if (count === 0) sendAndCut(content, headers.range, 70_000, response);
      else sendContent(content, undefined, response);
      return true;
    };
    await downloadHubFile(await listedFile(), target, access);
    expect(sha256(await readFile(target))).toBe(sha256(content));
  });

  it('starts over when the content changed between attempts, and when it has no such range', async () => {
    const file = await listedFile();
    const older = content.map((byte) => byte ^ 0xff);
    hub.onFile = ({ headers }, response, count) => {
      if (count === 0) sendAndCut(older, headers.range, 70_000, response);
      // As RFC 9110 has it: the tag does not match, so all of the new content is sent.
      else if (headers['if-range'] === `"${sha256(older)}"`) sendContent(content, undefined, response);
      else return false;
      return true;
    };
    await downloadHubFile(file, target, access);
    expect(sha256(await readFile(target))).toBe(sha256(content));
    await rm(target);
    await writeFile(`${target}.part`, content.subarray(0, 5000));
    hub.onFile = ({ headers }, response) => {
      if (headers.range === undefined) return false;
      response.writeHead(416).end();
      return true;
    };
    await downloadHubFile(file, target, access);
    expect(sha256(await readFile(target))).toBe(sha256(content));
  });

  it('refuses another range than it asked for', async () => {
    const file = await listedFile();
    await downloadHubFile(file, target, access);
    await rm(target);
    await writeFile(`${target}.part`, content.subarray(0, 5000));
    hub.onFile = ({ headers }, response) => {
      if (headers.range === undefined) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${content.length - 1}/${content.length}` });
      response.end(content);
      return true;
    };
    await downloadHubFile(file, target, access);
    expect(sha256(await readFile(target))).toBe(sha256(content));
  });

  it('tries wrong content once more, then refuses it and keeps none', async () => {
    const file = await listedFile();
    const wrong = content.map((byte, index) => (index === 150_000 ? byte ^ 1 : byte));
    hub.onFile = ({ headers }, response, count) => {
      sendContent(count === 0 ? wrong : content, headers.range, response);
      return true;
    };
    await downloadHubFile(file, target, access);
    expect(contentRequests()).toHaveLength(2);
    await rm(target);
    hub.onFile = ({ headers }, response) => {
      sendContent(wrong, headers.range, response);
      return true;
    };
    await expect(downloadHubFile(file, target, access)).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      data: { expected: file.hash.value },
    });
    expect(contentRequests()).toHaveLength(4);
    expect(await readdir(join(folder, 'made'))).toEqual([]);
  });

  it('takes no more bytes than announced', async () => {
    hub.onFile = (_, response) => {
      response.writeHead(200);
      response.write(content);
      response.write(content);
      return true;
    };
    const endless = downloadHubFile(await listedFile(), target, { ...access, retry: { ...access.retry, attempts: 2 } });
    await expect(endless).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('more') });
    expect(await readdir(join(folder, 'made'))).toEqual([]);
  });

  it('checks small files, which have no sha256, by the hash of git', async () => {
    const text = new TextEncoder().encode('what is up, doc?');
    hub.files.set('data/part.bin', text);
    const { url } = await listedFile();
    // `printf 'what is up, doc?' | git hash-object --stdin`
    const hash = { algorithm: 'git-sha1', value: 'bd9dbf5aae1a3862dd1526723246b20206e5fc37' } as const;
    const file: HubFile = { path: 'data/part.bin', url, sizeBytes: 16, hash };
    expect(await downloadHubFile(file, target, access)).toBe(false);
    const other = { ...file, hash: { ...hash, value: 'f'.repeat(40) } };
    await expect(downloadHubFile(other, target, access)).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
  });

  // Linux has a file that is always full; elsewhere nothing stands in for a full disk.
  it.runIf(existsSync('/dev/full'))('keeps the part when the disk is full', async () => {
    const file = await listedFile();
    await downloadHubFile(file, target, access);
    await rm(target);
    await symlink('/dev/full', `${target}.part`);
    await expect(downloadHubFile(file, target, access)).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(/ENOSPC.*Free some space/),
    });
    expect(await readdir(join(folder, 'made'))).toContain('part.bin.part');
  });
});

describe('requests', () => {
  it.each([
    [401, /needs a token, or does not exist.*HF_TOKEN/],
    [403, /Accept its terms/],
    [404, /Check the name, and HF_ENDPOINT/],
    [410, /status 410/],
  ])('are not repeated after status %i, which says what to do', async (status, advice) => {
    hub.onFile = (_, response) => {
      response.writeHead(status).end('no');
      return true;
    };
    await expect(downloadHubFile(await listedFile(), target, access)).rejects.toMatchObject({
      code: 'DOWNLOAD_REFUSED',
      message: expect.stringMatching(advice),
      data: { status },
    });
    expect(contentRequests()).toHaveLength(1);
  });

  it('wait as long as a busy server asks, and longer each time it fails', async () => {
    hub.onFile = (_, response, count) => {
      if (count === 0) response.writeHead(429, { 'retry-after': '7' }).end();
      else if (count < 4) response.writeHead([500, 503, 502][count - 1] ?? 500).end();
      else return false;
      return true;
    };
    await downloadHubFile(await listedFile(), target, access);
    expect(waits).toEqual([7000, 1000, 2000, 4000]);
  });

  it('take the token to the endpoint, and to no other host', async () => {
    const other = await startHub();
    try {
      other.files.set('data/part.bin', content);
      const away = `${other.endpoint}/cdn/resolve/x/data/part.bin?signature=abc`;
      hub.onFile = (request, response) => {
        const isMoved = request.url?.startsWith('/moved') ?? false;
        // First to another path of the same host, then away.
        response.writeHead(302, { location: isMoved ? away : '/moved/resolve/x' }).end();
        return true;
      };
      access = { ...access, settings: { ...access.settings, token } };
      await downloadHubFile(await listedFile(), target, access);
      expect(sha256(await readFile(target))).toBe(sha256(content));
      expect(hub.requests.map(({ authorization }) => authorization)).toEqual(Array(4).fill(`Bearer ${token}`));
      expect(other.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
      other.onFile = (_, response) => {
        response.writeHead(403).end();
        return true;
      };
      await rm(target);
      const refused = await downloadHubFile(await listedFile(), target, access).catch((error: Error) => error.message);
      expect(refused).toContain(other.endpoint);
      expect(refused).not.toMatch(/signature|hf_secret/);
    } finally {
      await other.close();
    }
  });

  it('follow no endless redirects and none to other protocols', async () => {
    hub.onFile = (_, response) => {
      response.writeHead(307, { location: '/again/resolve/x' }).end();
      return true;
    };
    const file = await listedFile();
    await expect(downloadHubFile(file, target, access)).rejects.toMatchObject({
      code: 'DOWNLOAD_REFUSED',
      message: expect.stringContaining('more than 10 redirects'),
    });
    expect(contentRequests()).toHaveLength(11);
    hub.onFile = (_, response) => {
      response.writeHead(302, { location: 'file:///etc/hostname' }).end();
      return true;
    };
    await expect(downloadHubFile(file, target, access)).rejects.toMatchObject({ code: 'DOWNLOAD_REFUSED' });
  });

  it('fail in the end where nothing listens', async () => {
    const file = await listedFile();
    await hub.close();
    await expect(downloadHubFile(file, target, access)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/lost the connection.*6 attempts/),
    });
    hub = await startHub();
  });
});

describe('listHubFiles', () => {
  it('follows pages and pins the commit', async () => {
    hub.onApi = (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', hub.endpoint);
      if (!pathname.includes('/tree/') || searchParams.has('cursor')) return false;
      const next = `${hub.endpoint}${pathname}?cursor=2`;
      response.writeHead(200, { link: `<${next}>; rel="next"` });
      response.end(JSON.stringify([{ type: 'file', path: 'data/a b#.bin', oid: 'a'.repeat(40), size: 3 }]));
      return true;
    };
    const { files, commit } = await listHubFiles('some/repository', 'refs/pr/1', ['data'], access);
    expect(files.map(({ path, hash }) => [path, hash.algorithm])).toEqual([
      ['data/a b#.bin', 'git-sha1'],
      ['data/part.bin', 'sha256'],
    ]);
    expect(files[0]?.url).toBe(`${hub.endpoint}/datasets/some/repository/resolve/${commit}/data/a%20b%23.bin`);
    expect(hub.requests[0]?.path).toBe('/api/datasets/some/repository/revision/refs/pr/1');
  });

  it.each(['<html>Please log in</html>', '{}', '[{"type": "file"}]', ''])(
    'refuses what is no list: %s',
    async (body) => {
      hub.onApi = (_, response) => {
        response.end(body);
        return true;
      };
      await expect(listHubFiles('some/repository', 'main', [''], access)).rejects.toMatchObject({
        code: 'DOWNLOAD_FAILED',
        message: expect.stringContaining('HF_ENDPOINT'),
      });
    },
  );

  it('tries again after a failure', async () => {
    hub.onApi = (_, response, count) => {
      if (count > 1) return false;
      if (count === 0) response.writeHead(503).end();
      else response.destroy();
      return true;
    };
    expect(await listedFile()).toMatchObject({ path: 'data/part.bin', sizeBytes: content.length });
    expect(waits).toHaveLength(2);
  });
});
