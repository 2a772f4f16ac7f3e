import { start } from '../shared/start.tsx'; start(null);
