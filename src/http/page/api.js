// The REST API as functions, and who is signed in.

const DEADLINE = 10_000;
const SESSION = "nova.session";

/** A refused or failed request, made from the server's problem document where there is one. */
export class Problem extends Error {
  constructor({ status = 0, code = "unreachable", title, detail, errors = [], request_id = null, ...more }) {
    super(detail || title || code);
    Object.assign(this, { status, code, title, errors, requestId: request_id, more });
  }

  /** One readable sentence a line: what happened, then each field with what was expected there. */
  lines() {
    const head = this.title && this.title !== this.message ? `${this.title}: ${this.message}` : this.message;
    return [head, ...this.errors.map(({ field, expected }) => `${field}: ${expected}`)];
  }
}

/** Who is signed in in this tab: `{token, id, username}`, or null. */
export const session = Object.assign(new EventTarget(), {
  current: restore(),
  set(value) {
    this.current = value;
    if (value) sessionStorage.setItem(SESSION, JSON.stringify(value));
    else sessionStorage.removeItem(SESSION);
    this.dispatchEvent(new Event("change"));
  },
});

function restore() {
  const text = sessionStorage.getItem(SESSION);
  const saved = text && JSON.parse(text);
  if (saved && saved.expires_at > Date.now()) return saved;
  sessionStorage.removeItem(SESSION);
  return null;
}

/** A key for one attempt of the user, the same for every repeat of it. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

async function call(method, path, { body, key } = {}) {
  const headers = { accept: "application/json" };
  const signedIn = session.current;
  if (signedIn) headers.authorization = `Bearer ${signedIn.token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  const answer = await send(method, path, headers, body);
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  if (answer.status === 401 && signedIn && session.current === signedIn) session.set(null);
  throw await problemOf(answer);
}

async function send(method, path, headers, body) {
  try {
    return await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Problem({
      code: late ? "timeout" : "unreachable",
      title: late ? "No answer in time" : "Nova cannot be reached",
      detail: late ? "The server took too long. Try again." : "Check that it is running and that you are online.",
    });
  }
}

async function problemOf(answer) {
  const json = answer.headers.get("content-type")?.includes("json");
  const document = json ? await answer.json().catch(() => ({})) : {};
  const wait = answer.headers.get("retry-after");
  const problem = new Problem({
    title: `The server answered ${answer.status}`,
    code: "internal_error",
    ...document,
    status: answer.status,
  });
  if (wait && !problem.message.includes(wait)) problem.message += ` Try again in ${wait} s.`;
  return problem;
}

const query = (params) => {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};
const id = encodeURIComponent;

export const api = {
  async signIn(username) {
    const { access_token: token, user_id, expires_in } = await call("POST", "/dev/token", { body: { username } });
    session.set({ token, id: user_id, username, expires_at: Date.now() + expires_in * 1000 });
  },
  streams: (params) => call("GET", `/streams${query(params)}`),
  stream: (stream) => call("GET", `/streams/${id(stream)}`),
  start: (body, key) => call("POST", "/streams", { body, key }),
  end: (stream) => call("POST", `/streams/${id(stream)}/end`),
  heartbeat: (stream) => call("POST", `/streams/${id(stream)}/heartbeat`),
  chat: (stream, params) => call("GET", `/streams/${id(stream)}/chat${query(params)}`),
  feed: (params) => call("GET", `/feed${query(params)}`),
  explain: (post) => call("GET", `/feed/explain${query({ post_id: post })}`),
  post: (body, key) => call("POST", "/posts", { body, key }),
  like: (post, on) => call(on ? "PUT" : "DELETE", `/posts/${id(post)}/like`),
  follow: (user, on) => call(on ? "PUT" : "DELETE", `/users/${id(user)}/follow`),
};

/** Where a room's WebSocket is, on the host that served this page. */
export const roomUrl = (stream) => `${location.origin.replace(/^http/, "ws")}/ws/v1/streams/${id(stream)}`;
