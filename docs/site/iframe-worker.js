// Browsers refuse workers in pages that are opened as files. The search then runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class {
    #frame = document.createElement("iframe");
    #window = new Promise((ready, failed) => {
      this.#frame.onload = () => ready(this.#frame.contentWindow);
      this.#frame.onerror = failed;
    });

    constructor(url) {
      const loaded = this.#window.then((inside) => new Promise((ready, failed) => {
        inside.postMessage = (data) => this.onmessage?.(new MessageEvent("message", {data: structuredClone(data)}));
        const script = inside.document.createElement("script");
        script.src = new URL(url, location.href);
        script.onload = () => ready(inside);
        script.onerror = () => failed(new Error(`${url} cannot be loaded`));
        inside.document.head.append(script);
      }));
      this.#window = loaded;
      loaded.catch((error) => this.onerror?.(new ErrorEvent("error", {message: error.message, error})));
      this.#frame.hidden = true;
      this.#frame.srcdoc = "<!doctype html>";
      document.body.append(this.#frame);
    }

    postMessage(data) {
      this.#window.then((inside) => inside.onmessage(new MessageEvent("message", {data: structuredClone(data)})), () => {});
    }

    terminate() {
      this.#frame.remove();
    }
  };
}
