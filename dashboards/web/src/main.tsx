// The order counts: what `ahead` asks for is on its way while the rest is evaluated.
import { words } from './ahead';
import { render } from 'preact';
import { App } from './app';
import './style/index.css';

const root = document.getElementById('app');
if (root) void words.then(() => render(<App />, root));
