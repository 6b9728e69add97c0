//! The Unigram model of the tokenizers library (models/unigram/model.rs, encode_optimized), token for token, over a
//! trie of one table: theirs is a map for each node, 250 MB for the 250,000 pieces of XLM-RoBERTa.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tokenizers::models::TrainerWrapper;
use tokenizers::{Model, Result, Token};

const EMPTY: u64 = u64::MAX;
const NONE: u32 = u32::MAX;
const UNKNOWN_PENALTY: f64 = 10.0;

/// Bytes to ids: an edge is a node and a byte in an open table, as wordpiece.hpp's byte_trie has them.
struct Trie {
    edges: Vec<(u64, u32)>,
    ids: Vec<u32>, // of the word that ends at a node
}

impl Trie {
    fn new(bytes: usize) -> Self {
        Trie { edges: vec![(EMPTY, NONE); (bytes / 2).clamp(64, 1 << 24).next_power_of_two()], ids: vec![NONE] }
    }
    fn place(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.edges.len() - 1)
    }
    fn next(&self, node: u32, byte: u8) -> u32 {
        let key = u64::from(node) << 8 | u64::from(byte);
        let mut at = self.place(key);
        loop {
            let edge = self.edges[at];
            if edge.0 == key || edge.0 == EMPTY {
                return edge.1; // NONE where it is empty
            }
            at = (at + 1) & (self.edges.len() - 1);
        }
    }
    fn put(&mut self, key: u64, child: u32) {
        let mut at = self.place(key);
        while self.edges[at].0 != EMPTY {
            at = (at + 1) & (self.edges.len() - 1);
        }
        self.edges[at] = (key, child);
    }
    fn insert(&mut self, word: &str, id: u32) {
        let mut node = 0;
        for byte in word.bytes() {
            let mut child = self.next(node, byte);
            if child == NONE {
                if self.ids.len() * 2 > self.edges.len() {
                    let larger = vec![(EMPTY, NONE); self.edges.len() * 2];
                    for (key, to) in std::mem::replace(&mut self.edges, larger) {
                        if key != EMPTY {
                            self.put(key, to);
                        }
                    }
                }
                child = self.ids.len() as u32;
                self.ids.push(NONE);
                self.put(u64::from(node) << 8 | u64::from(byte), child);
            }
            node = child;
        }
        self.ids[node as usize] = id;
    }
    fn find(&self, word: &str) -> Option<u32> {
        let mut node = 0;
        for byte in word.bytes() {
            node = self.next(node, byte);
            if node == NONE {
                return None;
            }
        }
        Some(self.ids[node as usize]).filter(|id| *id != NONE)
    }
}

pub struct Unigram {
    text: String, // all words, one after the other
    ends: Vec<u32>,
    scores: Vec<f64>,
    trie: Trie,
    lowest: f64,
    unknown: Option<u32>,
    byte_fallback: bool,
}

impl Unigram {
    pub fn new(
        vocab: Vec<(String, f64)>,
        unk_id: Option<usize>,
        byte_fallback: bool,
    ) -> std::result::Result<Self, String> {
        if let Some(id) = unk_id {
            if id >= vocab.len() {
                return Err(format!("its unk_id {id} is none of {} words", vocab.len()));
            }
        }
        let bytes = vocab.iter().map(|(word, _)| word.len()).sum();
        let mut made = Unigram {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(vocab.len()),
            scores: Vec::with_capacity(vocab.len()),
            trie: Trie::new(bytes),
            lowest: f64::INFINITY,
            unknown: unk_id.map(|id| id as u32),
            byte_fallback,
        };
        for (id, (word, score)) in vocab.into_iter().enumerate() {
            made.text.push_str(&word);
            made.ends.push(made.text.len() as u32);
            made.scores.push(score);
            made.trie.insert(&word, id as u32); // of equal words the last one counts
            if score < made.lowest {
                made.lowest = score;
            }
        }
        Ok(made)
    }

    fn word(&self, id: u32) -> Option<&str> {
        let end = *self.ends.get(id as usize)? as usize;
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1] as usize };
        Some(&self.text[start..end])
    }

    /// The ends of the best path's pieces, unknown ones in a row as one.
    fn best_path(&self, text: &str) -> Result<Vec<usize>> {
        #[derive(Clone, Copy)]
        struct Best {
            id: u32,
            start: u32, // NONE: no path ends here
            score: f64,
        }
        let unknown_score = self.lowest - UNKNOWN_PENALTY;
        let bytes = text.as_bytes();
        let mut best = vec![Best { id: 0, start: NONE, score: 0.0 }; bytes.len() + 1];
        let mut start = 0;
        while start < bytes.len() {
            let till_here = best[start].score;
            let first = text[start..].chars().next().map_or(1, char::len_utf8);
            let mut take = |end: usize, id: u32, score: f64| {
                let target = &mut best[end];
                if target.start == NONE || score > target.score {
                    *target = Best { id, start: start as u32, score };
                }
            };
            let (mut node, mut has_single) = (0, false);
            for (i, byte) in bytes[start..].iter().enumerate() {
                node = self.trie.next(node, *byte);
                if node == NONE {
                    break;
                }
                let id = self.trie.ids[node as usize];
                if id != NONE {
                    take(start + i + 1, id, self.scores[id as usize] + till_here);
                    has_single = has_single || i + 1 == first;
                }
            }
            if !has_single {
                take(start + first, self.unknown.ok_or("an unknown token, and no unk_id")?, unknown_score + till_here);
            }
            start += first;
        }
        let mut ends = vec![];
        let (mut end, mut in_unknown) = (bytes.len(), false);
        while end > 0 {
            let node = best[end];
            let unknown = Some(node.id) == self.unknown;
            if !(unknown && in_unknown) {
                ends.push(end);
            }
            in_unknown = unknown;
            end = node.start as usize;
        }
        ends.reverse();
        Ok(ends)
    }
}

impl Model for Unigram {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        if text.len() >= NONE as usize {
            return Err("a text of 4 GB".into());
        }
        let ends = self.best_path(text)?;
        let mut tokens = Vec::with_capacity(ends.len());
        let mut start = 0;
        for end in ends {
            let piece = &text[start..end];
            let offsets = (start, end);
            start = end;
            if let Some(id) = self.trie.find(piece) {
                tokens.push(Token::new(id, piece.to_string(), offsets));
                continue;
            }
            if self.byte_fallback {
                let bytes: Option<Vec<Token>> = piece
                    .bytes()
                    .map(|byte| {
                        let word = format!("<0x{byte:02X}>");
                        self.trie.find(&word).map(|id| Token::new(id, word, offsets))
                    })
                    .collect();
                if let Some(bytes) = bytes {
                    tokens.extend(bytes);
                    continue;
                }
            }
            let id = self.unknown.ok_or("an unknown token, and no unk_id")?;
            tokens.push(Token::new(id, piece.to_string(), offsets));
        }
        Ok(tokens)
    }
    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.trie.find(token)
    }
    fn id_to_token(&self, id: u32) -> Option<String> {
        self.word(id).map(str::to_string)
    }
    fn get_vocab(&self) -> HashMap<String, u32> {
        (0..self.ends.len() as u32).filter_map(|id| Some((self.word(id)?.to_string(), id))).collect()
    }
    fn get_vocab_size(&self) -> usize {
        self.ends.len()
    }
    fn save(&self, _: &Path, _: Option<&str>) -> Result<Vec<PathBuf>> {
        Err("not saved here".into())
    }
    fn get_trainer(&self) -> Self::Trainer {
        unreachable!("nothing is trained here")
    }
}
