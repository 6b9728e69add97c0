//! The tokenizers library as C calls it. What each function does is said in library.h; nothing here unwinds into C.

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{ptr, slice, str};

use ahash::AHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::{
    AddedToken, Decoder, DecoderWrapper, Encoding, Model, NormalizedString, Normalizer, NormalizerWrapper,
    PostProcessor, PostProcessorWrapper, PreTokenizerWrapper, Token, TokenizerImpl,
};

mod unigram;
use unigram::Unigram;

// ---- what a tokenizer holds, counted as it is made ----

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(bytes)));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        System.alloc(layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        System.alloc_zeroed(layout)
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        System.realloc(at, layout, size)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        System.dealloc(at, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// ---- C's side ----

type Say = extern "C" fn(*mut c_void, *const c_char, usize);

#[repr(C)]
pub struct Row {
    size: usize,
    ids: *const u32,
    types: *const u32,
    places: *const u32,
    words: *const i32,
    special: *const u32,
    truncated: c_int,
}
type Take = extern "C" fn(*mut c_void, *const Row);

#[repr(C)]
pub struct Question {
    first: *const c_char,
    first_size: usize,
    second: *const c_char,
    second_size: usize,
    room: usize,
    stride: usize,
    windows: c_int,
    cut_left: c_int,
    cut_first_only: c_int,
    special_tokens: c_int,
    details: c_int,
}

const DONE: c_int = 0;
const REFUSED: c_int = 1;

fn text_of<'a>(data: *const c_char, size: usize) -> Result<&'a str, String> {
    if size == 0 {
        return Ok("");
    }
    str::from_utf8(unsafe { slice::from_raw_parts(data as *const u8, size) }).map_err(|e| e.to_string())
}

fn words_of(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => match other.downcast::<&'static str>() {
            Ok(text) => text.to_string(),
            Err(_) => "it panicked".to_string(),
        },
    }
}

/// Runs `f`; what it refuses, and what panics inside it, is told through `say`.
fn guarded(say: Say, context: *mut c_void, f: impl FnOnce() -> Result<(), String>) -> c_int {
    let problem = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => return DONE,
        Ok(Err(problem)) => problem,
        Err(panic) => words_of(panic),
    };
    say(context, problem.as_ptr() as *const c_char, problem.len());
    REFUSED
}

// ---- making one ----

enum Words {
    Unigram(Unigram),
    Other(ModelWrapper),
}

impl Model for Words {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Words::Unigram(model) => model.tokenize(text),
            Words::Other(model) => model.tokenize(text),
        }
    }
    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Words::Unigram(model) => model.token_to_id(token),
            Words::Other(model) => model.token_to_id(token),
        }
    }
    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Words::Unigram(model) => model.id_to_token(id),
            Words::Other(model) => model.id_to_token(id),
        }
    }
    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Words::Unigram(model) => model.get_vocab(),
            Words::Other(model) => model.get_vocab(),
        }
    }
    fn get_vocab_size(&self) -> usize {
        match self {
            Words::Unigram(model) => model.get_vocab_size(),
            Words::Other(model) => model.get_vocab_size(),
        }
    }
    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Words::Unigram(model) => model.save(folder, prefix),
            Words::Other(model) => model.save(folder, prefix),
        }
    }
    fn get_trainer(&self) -> TrainerWrapper {
        unreachable!("nothing is trained here")
    }
}

type Tokenizer = TokenizerImpl<Words, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

pub struct Library {
    tokenizer: Tokenizer, // without a frame: texts are cut between it and the frame
    frame: Option<PostProcessorWrapper>,
    costly: Vec<(String, bool)>, // tokens that a whole text is gone through for each time they are found; normalized
    bytes: isize,
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
    #[serde(borrow, default)]
    normalizer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pre_tokenizer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    post_processor: Option<&'a RawValue>,
    #[serde(borrow, default)]
    decoder: Option<&'a RawValue>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    encode_special_tokens: bool,
}

/// As models/bpe/serialization.rs reads it, but without the cache: that one is a map for each thread, which stays
/// when the model goes.
#[derive(Deserialize)]
struct BpeParts {
    vocab: AHashMap<String, u32>,
    merges: Merges,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merges {
    Pairs(Vec<(String, String)>),
    Lines(Vec<String>),
}

fn bpe(parts: BpeParts) -> Result<BPE, String> {
    let merges = match parts.merges {
        Merges::Pairs(pairs) => pairs,
        Merges::Lines(lines) => {
            let mut pairs = Vec::with_capacity(lines.len());
            for line in lines.iter().filter(|line| !line.starts_with("#version")) {
                match line.split(' ').collect::<Vec<_>>()[..] {
                    [left, right] => pairs.push((left.to_string(), right.to_string())),
                    _ => return Err(format!("the merge {line:?} is no pair")),
                }
            }
            pairs
        }
    };
    let mut builder = BPE::builder()
        .vocab_and_merges(parts.vocab, merges)
        .cache_capacity(0)
        .fuse_unk(parts.fuse_unk.unwrap_or(false))
        .byte_fallback(parts.byte_fallback.unwrap_or(false))
        .ignore_merges(parts.ignore_merges.unwrap_or(false));
    if let Some(token) = parts.unk_token {
        builder = builder.unk_token(token);
    }
    if let Some(prefix) = parts.continuing_subword_prefix {
        builder = builder.continuing_subword_prefix(prefix);
    }
    if let Some(suffix) = parts.end_of_word_suffix {
        builder = builder.end_of_word_suffix(suffix);
    }
    builder.build().map_err(|e| e.to_string())
}

#[derive(Deserialize)]
struct UnigramParts {
    vocab: Vec<(String, f64)>,
    unk_id: Option<usize>,
    #[serde(default)]
    byte_fallback: bool,
}

/// Scores as the bits of a double: serde_json reads one from a text with an error in its last bit, as the Python
/// package does where it reads tokenizer.json; but not where transformers hands it the scores.
#[derive(Deserialize)]
struct UnigramBits {
    vocab: Vec<(String, u64)>,
    unk_id: usize,
    byte_fallback: bool,
}

fn model(raw: &RawValue) -> Result<Words, String> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
        serde_json::from_str(raw.get()).map_err(|e| e.to_string())
    }
    let other: ModelWrapper = match read::<Kind>(raw)?.kind {
        "Unigram" => {
            let parts: UnigramParts = read(raw)?;
            return Ok(Words::Unigram(Unigram::new(parts.vocab, parts.unk_id, parts.byte_fallback)?));
        }
        "UnigramBits" => {
            let parts: UnigramBits = read(raw)?;
            let vocab = parts.vocab.into_iter().map(|(word, bits)| (word, f64::from_bits(bits))).collect();
            return Ok(Words::Unigram(Unigram::new(vocab, Some(parts.unk_id), parts.byte_fallback)?));
        }
        "BPE" => bpe(read(raw)?)?.into(),
        "WordPiece" => read::<WordPiece>(raw)?.into(),
        "WordLevel" => read::<WordLevel>(raw)?.into(),
        other => return Err(format!("{other:?} is no model")),
    };
    Ok(Words::Other(other))
}

fn part<'a, T: Deserialize<'a>>(name: &str, raw: Option<&'a RawValue>) -> Result<Option<T>, String> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|e| format!("'{name}': {e}"))).transpose()
}

fn make(json: &str) -> Result<Library, String> {
    let parts: Parts = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let mut tokenizer = Tokenizer::new(model(parts.model).map_err(|e| format!("'model': {e}"))?);
    let failed = |e: tokenizers::Error| e.to_string();
    tokenizer.with_normalizer(part::<NormalizerWrapper>("normalizer", parts.normalizer)?).map_err(failed)?;
    tokenizer.with_pre_tokenizer(part::<PreTokenizerWrapper>("pre_tokenizer", parts.pre_tokenizer)?);
    tokenizer.with_decoder(part::<DecoderWrapper>("decoder", parts.decoder)?);
    tokenizer.set_encode_special_tokens(parts.encode_special_tokens);
    tokenizer.add_tokens(parts.added_tokens).map_err(failed)?;
    let frame = part("post_processor", parts.post_processor)?;
    let mut made = Library { tokenizer, frame, costly: vec![], bytes: 0 };
    made.see_costly();
    Ok(made)
}

/// A pattern must not take a text for ever, nor the parser of patterns the stack.
fn limit_patterns() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        unsafe {
            onig_sys::onig_set_parse_depth_limit(250);
            onig_sys::onig_set_retry_limit_in_match(10_000_000);
            onig_sys::onig_set_retry_limit_in_search(20_000_000);
            onig_sys::onig_set_match_stack_limit_size(4_000_000);
        }
        // What panics is told by guarded(), not on stderr.
        std::panic::set_hook(Box::new(|_| {}));
    });
}

// ---- texts ----

/// How far an added token may make the library go, in bytes: a second.
const STEPS: usize = 1_000_000_000;

impl Library {
    fn normalized(&self, text: &str) -> Option<String> {
        let mut normalized = NormalizedString::from(text);
        self.tokenizer.get_normalizer()?.normalize(&mut normalized).ok()?;
        Some(normalized.get().to_string())
    }

    /// A token that takes the blanks before it, or is a word of its own, is looked around for from the text's start.
    fn see_costly(&mut self) {
        let tokens = self.tokenizer.get_added_tokens_decoder();
        self.costly = tokens
            .into_values()
            .filter(|token| token.lstrip || token.single_word)
            .map(|token| {
                let content = if token.normalized { self.normalized(&token.content) } else { None };
                (content.unwrap_or(token.content), token.normalized)
            })
            .filter(|(content, _)| !content.is_empty())
            .collect();
    }

    fn check(&self, text: &str) -> Result<(), String> {
        if self.costly.is_empty() || text.len() * (text.len() / 4) < STEPS {
            return Ok(());
        }
        let all_normalized =
            if self.costly.iter().any(|(_, normalized)| *normalized) { self.normalized(text) } else { None };
        for (token, normalized) in &self.costly {
            let within = if *normalized { all_normalized.as_deref().unwrap_or(text) } else { text };
            if within.matches(token.as_str()).count() > STEPS / within.len().max(1) {
                return Err(format!("it has the token {token:?} too often for its length"));
            }
        }
        Ok(())
    }

    fn pieces(&self, text: &str, details: bool, number: u32) -> Result<Encoding, String> {
        self.check(text)?;
        let given = if details {
            self.tokenizer.encode_char_offsets(text, false)
        } else {
            self.tokenizer.encode_fast(text, false)
        };
        let mut given = given.map_err(|e| e.to_string())?;
        if number > 0 {
            given.set_type_ids(vec![number; given.len()]);
        }
        Ok(given)
    }

    fn framed(&self, first: Encoding, second: Option<Encoding>, special_tokens: bool) -> Result<Encoding, String> {
        match &self.frame {
            Some(frame) => frame.process(first, second, special_tokens).map_err(|e| e.to_string()),
            None => Ok(match second {
                None => first,
                Some(second) => {
                    let mut both = first;
                    both.merge_with(second, false);
                    both
                }
            }),
        }
    }

    fn answer(&self, q: &Question, mut take: impl FnMut(Encoding, bool)) -> Result<(), String> {
        let (details, specials) = (q.details != 0, q.special_tokens != 0);
        let first = self.pieces(text_of(q.first, q.first_size)?, details, 0)?;
        if q.windows != 0 {
            // As Encoding::truncate makes them from left to right.
            let step = q.room.checked_sub(q.stride).filter(|step| *step > 0).ok_or("a stride that is no step")?;
            let mut start = 0;
            loop {
                let end = (start + q.room).min(first.len());
                take(self.framed(slice_of(&first, start, end), None, specials)?, end < first.len() || start > 0);
                if end == first.len() {
                    return Ok(());
                }
                start += step;
            }
        }
        if q.second.is_null() {
            let truncated = first.len() > q.room;
            let kept = cut(first, q.room, q.cut_left != 0);
            take(self.framed(kept, None, specials)?, truncated);
            return Ok(());
        }
        let second = self.pieces(text_of(q.second, q.second_size)?, details, 1)?;
        let truncated = first.len() + second.len() > q.room;
        let (first_kept, second_kept) = if !truncated {
            (first.len(), second.len())
        } else if q.cut_first_only != 0 {
            if second.len() >= q.room {
                return Err("the second text leaves no room for the first".to_string());
            }
            (q.room - second.len(), second.len())
        } else {
            longest_first(first.len(), second.len(), q.room)
        };
        let left = q.cut_left != 0;
        let (first, second) = (cut(first, first_kept, left), cut(second, second_kept, left));
        take(self.framed(first, Some(second), specials)?, truncated);
        Ok(())
    }

    fn decoded(&self, ids: &[u32], skip_special: bool, joined: bool) -> Result<String, String> {
        if !joined {
            return self.tokenizer.decode(ids, skip_special).map_err(|e| e.to_string());
        }
        let tokens: Vec<String> = ids.iter().filter_map(|id| self.tokenizer.id_to_token(*id)).collect();
        match self.tokenizer.get_decoder() {
            Some(decoder) => decoder.decode(tokens).map_err(|e| e.to_string()),
            None => Ok(tokens.join(" ")),
        }
    }
}

/// As utils/truncation.rs, LongestFirst.
fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    let swapped = first > second;
    let mut less = first.min(second);
    let mut more = if less > room { less } else { less.max(room - less) };
    if less + more > room {
        less = room / 2;
        more = less + room % 2;
    }
    if swapped {
        (more, less)
    } else {
        (less, more)
    }
}

/// Encoding::truncate would also make a copy of each part that does not fit.
fn slice_of(from: &Encoding, start: usize, end: usize) -> Encoding {
    Encoding::new(
        from.get_ids()[start..end].to_vec(),
        from.get_type_ids()[start..end].to_vec(),
        from.get_tokens()[start..end].to_vec(),
        from.get_word_ids()[start..end].to_vec(),
        from.get_offsets()[start..end].to_vec(),
        from.get_special_tokens_mask()[start..end].to_vec(),
        from.get_attention_mask()[start..end].to_vec(),
        vec![],
        AHashMap::new(),
    )
}

fn cut(from: Encoding, room: usize, left: bool) -> Encoding {
    let size = from.len();
    if size <= room {
        from
    } else if left {
        slice_of(&from, size - room, size)
    } else {
        slice_of(&from, 0, room)
    }
}

// ---- what C calls ----

#[no_mangle]
pub extern "C" fn troupe_library_make(
    json: *const c_char,
    size: usize,
    say: Say,
    context: *mut c_void,
    out: *mut *mut Library,
) -> c_int {
    limit_patterns();
    unsafe { *out = ptr::null_mut() };
    guarded(say, context, || {
        let before = HELD.get();
        let mut made = Box::new(make(text_of(json, size)?)?);
        made.bytes = HELD.get().wrapping_sub(before);
        unsafe { *out = Box::into_raw(made) };
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn troupe_library_free(library: *mut Library) {
    if !library.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(library) })));
    }
}

#[no_mangle]
pub extern "C" fn troupe_library_add(
    library: *mut Library,
    json: *const c_char,
    size: usize,
    say: Say,
    context: *mut c_void,
) -> c_int {
    let library = unsafe { &mut *library };
    guarded(say, context, || {
        let before = HELD.get();
        let tokens: Vec<AddedToken> = serde_json::from_str(text_of(json, size)?).map_err(|e| e.to_string())?;
        library.tokenizer.add_tokens(tokens).map_err(|e| e.to_string())?;
        library.see_costly();
        library.bytes += HELD.get().wrapping_sub(before);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn troupe_library_frame(
    library: *mut Library,
    json: *const c_char,
    size: usize,
    say: Say,
    context: *mut c_void,
) -> c_int {
    let library = unsafe { &mut *library };
    guarded(say, context, || {
        let before = HELD.get();
        library.frame = serde_json::from_str(text_of(json, size)?).map_err(|e| format!("'post_processor': {e}"))?;
        library.bytes += HELD.get().wrapping_sub(before);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn troupe_library_encode(
    library: *const Library,
    question: *const Question,
    take: Take,
    say: Say,
    context: *mut c_void,
) -> c_int {
    let (library, question) = unsafe { (&*library, &*question) };
    guarded(say, context, || {
        library.answer(question, |row, truncated| {
            let (mut places, mut words) = (vec![], vec![]);
            if question.details != 0 {
                places = row.get_offsets().iter().flat_map(|o| [o.0 as u32, o.1 as u32]).collect();
                words = row.get_word_ids().iter().map(|w| w.map_or(-1, |w| w as i32)).collect();
            }
            take(
                context,
                &Row {
                    size: row.len(),
                    ids: row.get_ids().as_ptr(),
                    types: row.get_type_ids().as_ptr(),
                    places: places.as_ptr(),
                    words: words.as_ptr(),
                    special: row.get_special_tokens_mask().as_ptr(),
                    truncated: c_int::from(truncated),
                },
            )
        })
    })
}

#[no_mangle]
pub extern "C" fn troupe_library_decode(
    library: *const Library,
    ids: *const u32,
    size: usize,
    skip_special: c_int,
    joined: c_int,
    say: Say,
    context: *mut c_void,
) -> c_int {
    let library = unsafe { &*library };
    let mut text = String::new();
    let done = guarded(say, context, || {
        let ids = if size == 0 { &[] } else { unsafe { slice::from_raw_parts(ids, size) } };
        text = library.decoded(ids, skip_special != 0, joined != 0)?;
        Ok(())
    });
    if done == DONE {
        say(context, text.as_ptr() as *const c_char, text.len());
    }
    done
}

#[no_mangle]
pub extern "C" fn troupe_library_token(library: *const Library, id: u32, say: Say, context: *mut c_void) -> c_int {
    let library = unsafe { &*library };
    match catch_unwind(AssertUnwindSafe(|| library.tokenizer.id_to_token(id))) {
        Ok(Some(token)) => {
            say(context, token.as_ptr() as *const c_char, token.len());
            DONE
        }
        _ => REFUSED,
    }
}

#[no_mangle]
pub extern "C" fn troupe_library_id(library: *const Library, token: *const c_char, size: usize) -> i64 {
    let library = unsafe { &*library };
    catch_unwind(AssertUnwindSafe(|| {
        text_of(token, size).ok().and_then(|token| library.tokenizer.token_to_id(token)).map_or(-1, i64::from)
    }))
    .unwrap_or(-1)
}

#[no_mangle]
pub extern "C" fn troupe_library_frame_size(library: *const Library, pair: c_int) -> usize {
    let library = unsafe { &*library };
    catch_unwind(AssertUnwindSafe(|| library.frame.as_ref().map_or(0, |frame| frame.added_tokens(pair != 0))))
        .unwrap_or(0)
}

#[no_mangle]
pub extern "C" fn troupe_library_vocabulary_size(library: *const Library) -> usize {
    unsafe { &*library }.tokenizer.get_vocab_size(false)
}

#[no_mangle]
pub extern "C" fn troupe_library_bytes(library: *const Library) -> usize {
    unsafe { &*library }.bytes.max(0) as usize
}
