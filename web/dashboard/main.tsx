import { start } from '../shared/start.tsx';
import { Dashboard } from './dashboard.tsx';

start(<Dashboard />);
