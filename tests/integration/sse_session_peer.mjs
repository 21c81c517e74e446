// A reader that remembers nothing: prints the data of every event of the URL that it is given, one a line, until it is killed.

import { packages } from './broker.mjs';

const { EventSource } = packages('eventsource');
const source = new EventSource(process.argv[2]);
source.onmessage = (event) => process.stdout.write(`${event.data}\n`);
source.addEventListener('gap', () => process.stdout.write('gap\n'));
source.addEventListener('ready', () => process.stdout.write('ready\n'));
