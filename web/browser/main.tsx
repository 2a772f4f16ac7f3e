import { start } from '../shared/start.tsx';
import { BrowserPage } from './browser-page.tsx';

start(<BrowserPage />);
