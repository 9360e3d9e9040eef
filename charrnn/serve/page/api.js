// Requests to the server. Paths are relative to the page, so the server can be mounted anywhere.

/** The server refused a request, and says why. */
export class Refused extends Error {
  constructor(status, message, param) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

/** The server did not answer, or stopped in the middle of an answer. */
export class Away extends Error {}

export class Api {
  /** @param {() => Promise<string>} askForKey called when the server wants a key */
  constructor(askForKey) {
    this.askForKey = askForKey;
    this.key = sessionStorage.getItem("charrnn-key") ?? "";
  }

  async get(path, signal) {
    const answer = await this.#send(path, { signal });
    return answer.json();
  }

  async post(path, body, signal) {
    const answer = await this.#send(path, this.#withBody(body, signal));
    return answer.json();
  }

  /** The parts of an answer. */
  async *stream(path, body, signal) {
    const answer = await this.#send(path, this.#withBody({ ...body, stream: true }, signal));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw signal?.aborted ? error : new Away();
      });
      if (done) throw new Away();
      const events = (waiting + value).split("\n\n");
      waiting = events.pop();
      for (const event of events) {
        const data = event.replace(/^data: /, "");
        if (data === "[DONE]") return;
        const part = JSON.parse(data);
        if (part.error) throw new Refused(400, part.error.message, part.error.param);
        yield part;
      }
    }
  }

  #withBody(body, signal) {
    const headers = { "Content-Type": "application/json" };
    return { method: "POST", body: JSON.stringify(body), headers, signal };
  }

  async #send(path, options) {
    for (;;) {
      const headers = { ...options.headers };
      if (this.key) headers.Authorization = `Bearer ${this.key}`;
      let answer;
      try {
        answer = await fetch(path, { ...options, headers });
      } catch (error) {
        throw options.signal?.aborted ? error : new Away();
      }
      if (answer.ok) return answer;
      if (answer.status === 401) {
        this.key = await this.askForKey();
        sessionStorage.setItem("charrnn-key", this.key);
        continue;
      }
      const error = (await answer.json().catch(() => ({}))).error ?? {};
      throw new Refused(answer.status, error.message ?? answer.statusText, error.param);
    }
  }
}
