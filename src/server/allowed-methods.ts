import type { App } from './server-context.ts';

/** The methods that a path takes, once all routes are added; none for a path that is not there. */
export function watchMethods(app: App): (path: string) => readonly string[] {
  const routes: { readonly pattern: RegExp; readonly method: string }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.split(/:\w+/).map(escapeText).join('[^/]+')}$`);
    for (const name of [method].flat()) routes.push({ pattern, method: name });
  });
  return (path) => [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
}

const escapeText = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
