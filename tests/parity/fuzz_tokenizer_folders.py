#!/usr/bin/env python3
"""Compares troupe's tokenizers with transformers' AutoTokenizer over folders whose files were changed by chance: flags, named
tokens, lists of added tokens, classes. fuzz_tokenizer_folders.py PROGRAM SEED COUNT; PROGRAM is
build/release/tests/inference/troupe_tokenize. What we refuse is listed: ids that conflict, which transformers overlooks."""
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokenizer_families as m
from transformers import AutoTokenizer, logging

logging.set_verbosity_error()
PROG, seed, N = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng, src = random.Random(seed), m.texts_of(seed)
kept = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-folders-"))
root = kept / "families"
m.families(root)
bases=sorted(p.name for p in root.iterdir())
def tok(special=None):
    return rng.choice(["<mask>","<s>","</s>","[MASK]","[CLS]","[SEP]","<new>","New Word","<extra>","[PAD]","<pad>","the","solo"])
def obj(c,typed=True):
    d={"content":c,"lstrip":rng.random()<.3,"rstrip":rng.random()<.3,"normalized":rng.random()<.5,"single_word":rng.random()<.2}
    if rng.random()<.5: d["special"]=rng.random()<.6
    if typed: d["__type"]="AddedToken"
    if rng.random()<.2: d.pop("normalized")
    return d
bad=0; refused={}; both=0; ok=0
for i in range(N):
    base=rng.choice(bases); f=kept / "now"; shutil.rmtree(f,ignore_errors=True); shutil.copytree(root/base,f)
    c=json.loads((f/"tokenizer_config.json").read_text()); conf=json.loads((f/"config.json").read_text())
    if rng.random()<.3: c.pop("added_tokens_decoder",None)
    if rng.random()<.2: c={k:v for k,v in c.items() if k=="tokenizer_class"}
    if rng.random()<.1: c.pop("tokenizer_class",None)
    for k in ("add_prefix_space","trim_offsets","do_lower_case","keep_accents","split_by_punct","split_special_tokens","clean_up_tokenization_spaces"):
        if rng.random()<.12: c[k]=rng.random()<.5
    for k in ("bos_token","eos_token","unk_token","sep_token","pad_token","cls_token","mask_token","image_token"):
        r=rng.random()
        if r<.08: c[k]=tok()
        elif r<.14: c[k]=obj(tok())
        elif r<.16 and k!="unk_token": c[k]=None
    if rng.random()<.2: c[rng.choice(["additional_special_tokens","extra_special_tokens"])]=[tok() if rng.random()<.7 else obj(tok()) for _ in range(rng.randint(0,3))]
    if rng.random()<.15: c["added_tokens_decoder"]={**c.get("added_tokens_decoder",{})}
    t0=None
    if rng.random()<.15: (f/"special_tokens_map.json").write_text(json.dumps({k:(tok() if rng.random()<.5 else obj(tok(),False)) for k in rng.sample(["bos_token","eos_token","sep_token","cls_token","mask_token","pad_token"],2)}))
    if rng.random()<.15: c["truncation_side"]=rng.choice(["left","right"])
    if rng.random()<.05: conf["model_type"]=rng.choice(["modernbert","roberta","xlm-roberta-xl","bert","unknown"])
    (f/"tokenizer_config.json").write_text(json.dumps(c)); (f/"config.json").write_text(json.dumps(conf))
    if rng.random()<.25:
        try:
            t0=AutoTokenizer.from_pretrained(f); n=len(t0)
            words=rng.sample(["<new>","New Word","<extra>","the","solo"],2); d={}
            for w in words:
                ex=t0._tokenizer.token_to_id(w)
                d[w]=ex if ex is not None else n
                if ex is None: n+=1
            if rng.random()<.5: (f/"added_tokens.json").write_text(json.dumps(d))
            else: c["added_tokens_decoder"]={**c.get("added_tokens_decoder",{}),**{str(v):{k2:v2 for k2,v2 in obj(k,False).items()} for k,v in d.items()}}; (f/"tokenizer_config.json").write_text(json.dumps(c))
        except Exception: pass
    texts=[src.text() for _ in range(12)]+[" a <new> b New Word <extra>c solo solox <mask> [MASK] the <s> x </s>", "x<mask>y [MASK]z <image>"]
    try: t=AutoTokenizer.from_pretrained(f)
    except Exception as e: t=None; err=repr(e)[:100]
    given=b"".join(struct.pack("<I",len(b))+b for b in (x.encode() for x in texts))
    out=[]
    for cmd in (["details"],["decode","1"]):
        r=subprocess.run([PROG,str(f),*cmd],input=given,capture_output=True); 
        if r.returncode<0: print("CRASH",base,r.returncode); shutil.copytree(f,kept / f"crash{i}")
        recs=[];at=0
        while at<len(r.stdout):
            n=struct.unpack_from("<I",r.stdout,at)[0]; recs.append(r.stdout[at+4:at+4+n]); at+=4+n
        out.append((r.returncode,recs,r.stderr.decode()))
    if t is None: both+=out[0][0]!=0; continue
    if out[0][0]!=0:
        msg=out[0][2].split("\n")[0]; key=msg[msg.find(": ")+2:][:70]; refused.setdefault(key,[]).append(base); continue
    ok+=1
    es=t._tokenizer; es.no_truncation(); es.no_padding(); wrong=False
    for x,rec,e,dec in zip(texts,out[0][1],es.encode_batch(texts),out[1][1][::2]):
        if rec[:4]==b"\xff\xff\xff\xff":
            if e.ids: wrong=True; print("refused text",base,rec[4:])
            continue
        nums=struct.unpack(f"<{len(rec)//4}i",rec); p=1; L=[]
        for _ in range(5):
            n=nums[p]; L.append(list(nums[p+1:p+1+n])); p+=1+n
        want=[e.ids,e.type_ids,[a for o in e.offsets for a in o],[-1 if w is None else w for w in e.word_ids],e.special_tokens_mask]
        if not L[1]: L[1]=[0]*len(L[0])
        d=t.decode(e.ids,skip_special_tokens=True)
        if L!=want or dec.decode()!=d:
            wrong=True; print("DIFF",i,base,repr(x)[:80],"\n ",[k for k,(a,b) in enumerate(zip(L,want)) if a!=b],L[0][:30],want[0][:30],dec.decode()!=d); break
    side=t.truncation_side
    if wrong:
        bad+=1; shutil.copytree(f, kept / f"differs{i}")
print("seed",seed,"folders",N,"same",ok-bad,"differ",bad,"both refuse",both,"we refuse",{k:(len(v),sorted(set(v))[:3]) for k,v in refused.items()})
if bad:
    sys.exit(f"folders that differ are in {kept}")
shutil.rmtree(kept)
