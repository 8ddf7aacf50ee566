"""The plain words that a written explanation may use besides its facts, by language.

Whatever is not here and is no fact is refused: prices, praise, promises, other names, instructions.
Nothing that denies stands here, so a sentence cannot say the opposite of a fact.
"""

_ENGLISH = """
a about again also an and another are as at be because been both brings by can chose chosen close
comes could enjoy enjoyed film films fit fits for from gave given go goes good goods has have here
how i in into is it item items its kind kinds like liked likely likes lists look looks made match
matches may might more movie movies of on one other our over part past please read recommend
recommended recommending recommends relates row seem seems shares show showed showing shown similar
since so some something star stars suggest suggested suggests suit suits taste tastes than that the
their them there therefore these they thing things think this those thought to together too took
toward up us was watch way we well were what when which who why will with would you your yours rated
rating rate rates scored bought buy opened open saved save shared share cart put spent time shop
story stories
"""
ENGLISH = frozenset(_ENGLISH.split())
CHINESE = frozenset(
    "你您的了给过把被为因所以而且也都和与及或是在有这那此它其们我们推荐介绍看到喜欢爱评打分颗星级买购收藏分享打开"
    "点浏览放进加入车花时间觉得可能会能合适口味像似类同风格题材电影影片片子商品物品内容作品部个一款本首种向上下中来"
    "去从对于因此于是由之前曾经还又再更很想让请试兴趣符匹配相关近接系根据基于按照既然如果就"
    "便后前面里认为希望值得关注同样正好刚属"
)
# What was done to the cited item, and the acts of which it may be said.
ENGLISH_ACTS = {
    r"rated|gave|scored|rating": "rated",
    r"liked|enjoyed": "liked",
    r"bought": "purchase",
    r"opened": "click",
    r"saved": "want",
    r"shared": "share",
    r"cart": "cart",
    r"spent": "dwell",
}
CHINESE_ACTS = {
    r"打了?\d|评了?\d|评分|打分": "rated",
    r"(?<!会)(?<!可能)(?<!能)喜欢": "liked",
    r"购买|买": "purchase",
    r"打开|点开|浏览": "click",
    r"收藏": "want",
    r"分享": "share",
    r"购物车": "cart",
}
_COUNTED = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ENGLISH_NUMBERS = dict(zip(_COUNTED, range(2, 11), strict=True))
CHINESE_NUMBERS = dict(zip("二三四五六七八九十", range(2, 11), strict=True)) | {"两": 2}
