// Target: the feedback port of a server, with bytes of any kind on its TCP connections. What was asked for
// at the start must be there at the end: a sender that means well is welcomed.
import { connect } from 'node:net';
import WebSocket from 'ws';
import { FeedbackServer } from '../../../elements/feedback/server.ts';
import { StreamAuthority } from '../../../elements/feedback/tokens.ts';
import { require, type Target } from './fuzzer.ts';

const token = 'right';
const hello = JSON.stringify({
  type: 'hello',
  version: 1,
  streamKey: 'a',
  streamClass: 'default',
  scale: 2,
  frameWidth: 1280,
  frameHeight: 720,
});
/** A connection that is neither answered nor closed by then has nothing more to say. */
const patienceMs = 5;

function upgrade(bearer: string): Buffer {
  return Buffer.from(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${bearer}\r\n\r\n`,
  );
}

/** Masked with zeros. */
function frame(opcode: number, payload: Uint8Array): Buffer {
  const head = Buffer.from([
    0x80 | opcode,
    0x80 | 126,
    payload.length >> 8,
    payload.length & 255,
    0,
    0,
    0,
    0,
  ]);
  return Buffer.concat([head, payload]);
}

function spoken(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer.slice(9, 12));
    };
    const timer = setTimeout(end, patienceMs);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('close', end);
    socket.write(bytes);
  });
}

function welcomed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const end = (isWelcome: boolean): void => {
      socket.terminate();
      resolve(isWelcome);
    };
    socket.on('open', () => {
      socket.send(hello);
    });
    socket.on('message', () => {
      end(true);
    });
    socket.on('error', () => {
      end(false);
    });
    socket.on('close', () => {
      end(false);
    });
  });
}

/** Opens the port; closes it when the process ends. */
export async function feedbackPort(): Promise<Target> {
  const authority = new StreamAuthority(() => undefined);
  authority.add('a', { token, tokensFile: '' });
  const server = await FeedbackServer.open({
    address: '127.0.0.1',
    port: 0,
    certificate: '',
    authority,
    log: () => undefined,
    nowMs: () => performance.now(),
    onPacket: (streamKey, packet) => {
      require(streamKey === 'a', 'packets come from senders of their stream');
      require(packet.length <= 65_000, 'packets have a bounded size');
    },
  });
  let executions = 0;
  return {
    name: 'feedback port',
    seeds: [
      Buffer.concat([upgrade(token), frame(1, Buffer.from(hello)), frame(2, Buffer.alloc(60, 6))]),
      Buffer.concat([
        upgrade(token),
        frame(9, Buffer.from('ping')),
        frame(8, Buffer.from([3, 232])),
      ]),
      upgrade('wrong'),
      Buffer.from('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde'),
    ],
    words: [
      '\r\n',
      'Bearer ',
      'Transfer-Encoding: chunked\r\n',
      'Upgrade: h2c\r\n',
      '\u0081\u00fe',
      hello,
    ],
    run: async (bytes) => {
      const answer = await spoken(server.port, bytes);
      if (++executions % 500 === 0) {
        require(await welcomed(server.port), 'a sender that means well is welcomed');
      }
      return answer;
    },
  };
}
