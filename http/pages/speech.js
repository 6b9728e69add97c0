// The microphone to /funasr and its texts to the page; a file to /recognize.

const $ = (id) => document.getElementById(id);
let recording = null; // what runs: socket, microphone, audio context

function say(text, wrong = false) {
  $("state").textContent = text;
  $("state").classList.toggle("wrong", wrong);
}

function clear() {
  $("sentences").textContent = "";
  $("pending").textContent = "";
}

function address(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if ($("model").value) url.searchParams.set("model", $("model").value);
  return url;
}

// A browser's WebSocket has no other place for a key than its subprotocols.
function keyed(written) {
  const key = $("key").value.trim();
  return key ? [written(key)] : [];
}

// As answers do (http/json/sentences.cpp): Latin words are apart; Chinese characters and full-width marks are not.
function between(before, after) {
  if (!before || !after || /\s$/.test(before) || /^\s/.test(after)) return "";
  const wide = "[\u3000-\u9fff\uf000-\uffff]";
  return new RegExp(`${wide}$`).test(before) || new RegExp(`^${wide}`).test(after) ? "" : " ";
}

// Sentences take the place of the increments before them.
function show(message) {
  if (message.error) throw new Error(message.error);
  if (message.mode === "2pass-online") {
    $("pending").textContent += message.text;
  } else if (message.text) {
    const sentence = message.text.trim();
    $("sentences").textContent += between($("sentences").textContent, sentence) + sentence;
    $("pending").textContent = "";
  }
}

function connect(rate_hz) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address("/funasr"), ["binary", ...keyed((key) => `openai-insecure-api-key.${key}`)]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      socket.send(JSON.stringify({
        mode: "2pass", chunk_size: [5, 10, 5], chunk_interval: 10, wav_name: "microphone", audio_fs: rate_hz, is_speaking: true,
      }));
      resolve(socket);
    };
    socket.onerror = () => reject(new Error("the server does not take the connection (is the key right, and is there a speech model?)"));
  });
}

async function start() {
  const held = {};
  recording = held;
  clear();
  $("record").textContent = "Stop";
  try {
    if (!navigator.mediaDevices) throw new Error("this page has no microphone: open it at localhost, or over https");
    say("Waiting for the microphone ..");
    held.microphone = await navigator.mediaDevices.getUserMedia({
      audio: {channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false}});
    held.context = new AudioContext();
    await held.context.audioWorklet.addModule("speech-worklet.js");
    held.socket = await connect(held.context.sampleRate);
    held.socket.onmessage = (event) => {
      try {
        const message = JSON.parse(event.data);
        show(message);
        if (message.is_final) finish(held, "Done.");
      } catch (why) {
        finish(held, why.message, true);
      }
    };
    held.socket.onclose = (event) => finish(held, event.reason || "The server has closed the connection.", true);
    const source = held.context.createMediaStreamSource(held.microphone);
    const worklet = new AudioWorkletNode(held.context, "pcm16", {numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit"});
    worklet.port.onmessage = ({data}) => {
      $("level").firstChild.style.width = Math.min(100, data.level * 300) + "%";
      if (recording === held && !held.ending && held.socket.readyState === WebSocket.OPEN) held.socket.send(data.samples);
    };
    source.connect(worklet);
    say("Listening.");
    if (held.ending) end(held);
  } catch (why) {
    finish(held, why.message, true);
  }
}

// No more sound; the server answers what is left, and says which answer is the last.
function end(held) {
  held.ending = true;
  for (const track of held.microphone ? held.microphone.getTracks() : []) track.stop();
  if (held.socket && held.socket.readyState === WebSocket.OPEN) {
    held.socket.send(JSON.stringify({is_speaking: false}));
    say("Finishing ..");
  }
}

function finish(held, text, wrong = false) {
  if (held.over) return;
  held.over = true;
  for (const track of held.microphone ? held.microphone.getTracks() : []) track.stop();
  if (held.context) held.context.close();
  if (held.socket) {
    held.socket.onclose = held.socket.onmessage = null;
    held.socket.close();
  }
  if (recording !== held) return;
  recording = null;
  $("level").firstChild.style.width = 0;
  $("record").textContent = "Start the microphone";
  say(text, wrong);
}

async function transcribe(file) {
  clear();
  say(`Transcribing ${file.name} ..`);
  const form = new FormData();
  if ($("model").value) form.append("model", $("model").value);
  form.append("file", file);
  try {
    const headers = keyed((key) => ["Authorization", `Bearer ${key}`]);
    const answer = await fetch("/recognize", {method: "POST", body: form, headers});
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error || `status ${answer.status}`);
    $("sentences").textContent = body.text;
    say(`${body.duration.toFixed(1)} s of sound in ${body.processing_time.toFixed(2)} s.`);
  } catch (why) {
    say(why.message, true);
  }
}

$("record").onclick = () => recording ? end(recording) : start();
$("file").onchange = () => {
  if ($("file").files.length) transcribe($("file").files[0]);
  $("file").value = "";
};
