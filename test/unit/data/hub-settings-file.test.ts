import { describe, expect, it } from 'vitest';
import { readHubSettings } from '../../../src/data/hub-settings-file.ts';

describe('readHubSettings', () => {
  it('goes to the Hub itself without a token unless told otherwise', () => {
    expect(readHubSettings({})).toEqual({ endpoint: 'https://huggingface.co', offline: false });
    expect(readHubSettings({ HF_ENDPOINT: ' ', HF_HUB_OFFLINE: '0', HF_TOKEN: '' })).toEqual(readHubSettings({}));
  });

  it('takes a mirror, a token and the offline switch', () => {
    const env = { HF_ENDPOINT: 'http://mirror.local:8080/hub//', HF_HUB_OFFLINE: 'True', HF_TOKEN: ' hf_abc\n' };
    expect(readHubSettings(env)).toEqual({ endpoint: 'http://mirror.local:8080/hub', offline: true, token: 'hf_abc' });
    for (const value of ['1', 'yes', 'ON']) expect(readHubSettings({ HF_HUB_OFFLINE: value }).offline).toBe(true);
  });

  it.each(['mirror.local', 'ftp://mirror.local', 'https://me:secret@mirror.local'])('refuses %s', (endpoint) => {
    const read = () => readHubSettings({ HF_ENDPOINT: endpoint });
    expect(read).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(read).not.toThrow(/secret/);
  });

  it('refuses a token that would not fit a header, without repeating it', () => {
    const read = () => readHubSettings({ HF_TOKEN: 'hf_secret\nX: y' });
    expect(read).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(read).not.toThrow(/secret/);
  });
});
