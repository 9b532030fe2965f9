#!/usr/bin/env node
// What a webhook's receiver has to do, without a library: https://www.standardwebhooks.com names some that do the same.
//
//   glovebox tenant webhook set acme http://127.0.0.1:9000/ > acme.secret
//   glovebox serve --data-dir … --webhook-allow-private &
//   WEBHOOK_SECRET=$(cat acme.secret) PORT=9000 examples/webhook-receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const { WEBHOOK_SECRET = '', PORT = '0' } = process.env;
if (!WEBHOOK_SECRET.startsWith('whsec_')) {
  console.error('WEBHOOK_SECRET is what glovebox tenant webhook set has printed');
  process.exit(2);
}
const key = Buffer.from(WEBHOOK_SECRET.slice('whsec_'.length), 'base64');
const tolerance = 300; // seconds
const maxBytes = 64 * 1024;

// verified tells whether the server has posted this body, just now. The body is its bytes: JSON that was parsed and written again is another.
function verified(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  if (!id || !/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - timestamp) > tolerance) return false;
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return signatures.split(' ').some((signature) => {
    const [version, encoded = ''] = signature.split(',');
    const got = Buffer.from(encoded, 'base64');
    return version === 'v1' && got.length === wanted.length && timingSafeEqual(got, wanted);
  });
}

const seen = new Set(); // keep it where it outlives the process: what was answered may be posted again

createServer(async (request, response) => {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) > maxBytes) return response.writeHead(413).end();
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (request.method !== 'POST' || !verified(request.headers, body)) return response.writeHead(400).end();
  const id = request.headers['webhook-id'];
  if (!seen.has(id)) {
    seen.add(id);
    const { type, data } = JSON.parse(body);
    console.log(type, data.id, data.resultCode); // and then, with a key: GET /v1/executions/{id}, or /v1/agents/{agent}/runs/{id}
  }
  response.writeHead(204).end();
}).listen(Number(PORT), '127.0.0.1', function () {
  console.log(`listening on http://127.0.0.1:${this.address().port}`);
});
