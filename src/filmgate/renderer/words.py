"""List the words a prompt may use for scenes, hours, weather, colours and camera moves."""

# Each entry: name -> (weight, words). A word may serve several tables. Scripts without spaces are
# matched as parts of the text, so their words stay short.
SCENES: dict[str, tuple[tuple[float, str], ...]] = {
    "sea": (
        (3.0, "sea ocean seas oceans seascape waves surf atlantic pacific mediterranean baltic coast"),
        (
            2.5,
            "shore beach seaside maritime lighthouse sail sailing sailboat yacht surfer whale dolphin island",
        ),
        (2.0, "wave tide bay horizon boat ship harbor harbour cliff cliffs"),
        (
            3.0,
            "meer ozean wellen strand mer vagues plage mar océano olas playa oceano onde spiaggia море океан",
        ),
        (3.0, "海 大海 海浪 海洋 波 바다 بحر समुद्र"),
    ),
    "lake": (
        (3.2, "lake lakes lakeside pond tarn lagoon fjord fjords loch"),
        (2.4, "river rivers stream reservoir reflection reflections waterfall canoe kayak swan"),
        (1.0, "water"),
        (3.0, "see fluss bergsee lac rivière lago río fiume озеро река 湖 川 河 호수 بحيرة"),
    ),
    "dunes": (
        (3.2, "dune dunes desert deserts sahara sand sands namib gobi"),
        (2.0, "camel camels caravan oasis mirage mars arid canyon mesa"),
        (3.0, "wüste sanddünen désert desierto deserto пустыня 沙漠 砂漠 사막 صحراء"),
    ),
    "mountains": (
        (
            3.0,
            "mountain mountains alps alpine peak peaks summit summits alpenglow himalaya andes",
        ),
        (
            2.4,
            (
                "ridge ridges matterhorn dents everest dolomites rockies volcano "
                "hills hill highlands valley glacier cliffside"
            ),
        ),
        (
            3.0,
            "berg berge alpen gipfel montagne montagnes montaña montañas montagna горы гора 山 산 جبل पहाड़",
        ),
    ),
    "forest": (
        (
            3.0,
            "forest forests woods woodland spruce pine pines fir firs conifer redwood redwoods jungle taiga",
        ),
        (2.0, "tree trees birch rainforest deer fox wolf bear moss undergrowth trail"),
        (3.0, "wald wälder bäume forêt bosque selva foresta лес 森 森林 숲 غابة जंगल"),
    ),
    "street": (
        (3.2, "street streets traffic avenue boulevard road intersection asphalt taxi taxis alley crosswalk"),
        (2.2, "car cars pedestrians downtown cyberpunk bustling tokyo shibuya highway"),
        (3.0, "straße strasse rue calle strada улица 街 街道 거리 शहर"),
    ),
    "skyline": (
        (3.0, "city cities skyline skyscraper skyscrapers metropolis cityscape megacity rooftop rooftops"),
        (2.4, "manhattan york london hongkong dubai chicago shanghai paris berlin urban tower towers bridge"),
        (3.0, "stadt ville ciudad città город 都市 城市 도시 مدينة"),
    ),
    "aurora": (
        (4.5, "aurora auroras borealis australis"),
        (6.0, "northern-lights polarlicht polarlichter nordlicht polaire boreal сияние オーロラ 极光 오로라"),
    ),
    "nebula": (
        (
            4.6,
            "nebula nebulae galaxy galaxies cosmos cosmic milkyway supernova starfield interstellar universe",
        ),
        (2.6, "space astronaut spaceship spacecraft stars star constellation constellations comet stardust"),
        (3.0, "weltraum weltall galaxie espace espacio galassia космос галактика 宇宙 银河 星空 우주 فضاء"),
    ),
    "planet": (
        (3.8, "planet planets saturn jupiter neptune exoplanet eclipse orbiting"),
        (2.4, "earth globe asteroid moons satellite"),
        (3.0, "planète planeta pianeta планета 行星 惑星 地球"),
    ),
    "rain": (
        (2.2, "rain rainy raining raindrops raindrop drizzle downpour monsoon puddle puddles windowpane"),
        (1.2, "storm thunderstorm window umbrella"),
        (2.0, "regen pluie lluvia pioggia дождь 雨 비 مطر बारिश"),
    ),
    "snow": (
        (2.4, "snow snowy snowfall snowflake snowflakes blizzard winter flakes snowfield"),
        (1.4, "arctic antarctic frozen ice frost igloo cabin christmas"),
        (2.0, "schnee neige nieve neve снег зима 雪 눈 ثلج बर्फ"),
    ),
    "silk": (
        (4.0, "silk silken satin velvet fabric ribbon ribbons cloth textile drapery scarf curtain"),
        (2.0, "fashion perfume product abstract flowing elegant liquid chrome gradient"),
        (3.0, "seide soie seda seta шёлк 絲 丝绸 絹 실크"),
    ),
    "ink": (
        (4.0, "ink smoke watercolor watercolour marble swirl swirls swirling dye fluid incense steam"),
        (2.0, "paint pigment blooming plume dissolve dream dreams memory psychedelic trippy"),
        (3.0, "tinte rauch encre fumée tinta humo fumo чернила дым 墨 烟 煙 잉크"),
    ),
    "tunnel": (
        (3.8, "tunnel portal wormhole vortex warp hyperspace corridor gateway kaleidoscope"),
        (2.0, "neon laser futuristic hypnotic spiral time-travel infinite"),
        (3.0, "portail túnel portale туннель портал 隧道 トンネル 터널"),
    ),
    "grid": (
        (4.2, "synthwave retrowave vaporwave outrun wireframe tron"),
        (2.0, "retro eighties 80s arcade hologram cyberspace matrix digital data neon"),
    ),
    "meadow": (
        (
            3.2,
            "meadow meadows flower flowers field fields wildflowers grass grassland poppies poppy lavender",
        ),
        (
            2.4,
            (
                "prairie garden blossom blossoms tulips sunflower "
                "sunflowers wheat farm butterfly butterflies bees"
            ),
        ),
        (1.6, "spring countryside pasture sheep horse horses cow cows dog puppy picnic child children"),
        (3.0, "wiese blumen prairie fleurs prado flores prato fiori луг цветы 草原 花 꽃 زهور फूल"),
    ),
    "fire": (
        (3.6, "fire campfire flame flames bonfire fireplace inferno embers ember wildfire candle candles"),
        (2.8, "lava magma eruption burning dragon phoenix hell forge"),
        (3.0, "feuer flammen feu flamme fuego fuoco огонь костёр 火 炎 불 نار आग"),
    ),
    "clouds": (
        (
            2.6,
            (
                "cloud clouds cloudscape sky skies airplane "
                "plane flying flight heaven stratosphere balloon balloons"
            ),
        ),
        (1.6, "eagle bird birds kite parachute wings angel sunrise sunset"),
        (2.4, "wolken himmel nuages ciel nubes cielo nuvole облака небо 雲 云 天空 空 하늘 سماء बादल"),
    ),
    "underwater": (
        (4.4, "underwater undersea submarine reef coral jellyfish seabed abyss aquarium kelp"),
        (3.0, "diver diving scuba fish fishes turtle shark octopus manta seahorse"),
        (3.0, "unterwasser fische sous-marin submarino подводный 水中 海底 물고기"),
    ),
}

TIMES: dict[str, str] = {
    "dawn": "dawn sunrise morning daybreak sunup early morgen matin "
    "aube amanecer alba рассвет утро 朝 清晨 黎明",
    "noon": "noon day daylight midday daytime afternoon sunny "
    "bright mittag midi mediodía полдень 昼 白天 正午",
    "golden": "golden goldenhour late-afternoon autumn amber-light honey warm sunlit",
    "sunset": "sunset sundown evening alpenglow last-light "
    "sonnenuntergang abend coucher soir atardecer tramonto "
    "закат вечер 夕 日落 夕陽 夕焼け 노을",
    "dusk": "dusk twilight blue-hour gloaming dämmerung crépuscule crepúsculo crepuscolo сумерки 黄昏",
    "night": "night midnight nocturnal moonlight moonlit moon starry "
    "stars nighttime nacht nuit noche notte ночь "
    "夜 夜晚 밤 ليل रात",
}

WEATHER: dict[str, str] = {
    "fog": "fog foggy mist misty haze hazy smog nebel brume niebla nebbia туман 霧 雾 안개",
    "rain": "rain rainy raining drizzle downpour monsoon wet regen pluie lluvia pioggia дождь 雨 비",
    "snow": "snow snowy snowfall snowing blizzard snowflakes flakes schnee neige nieve neve снег 雪 눈",
    "storm": "storm stormy thunder lightning thunderstorm tempest "
    "hurricane gewitter sturm orage tormenta tempesta "
    "гроза 嵐 暴风",
    "clouds": "cloud clouds cloudy overcast cloudscape wolken nuages nubes nuvole облака 雲 云",
    "clear": "clear cloudless crisp klar clair despejado ясно",
    "wind": "wind windy gust breeze breezy blowing stormy vent viento ветер",
}

COLOURS: dict[str, str] = {
    "red": "red scarlet ruby rot rouge rojo rosso красный 红 赤",
    "crimson": "crimson burgundy maroon wine blood",
    "orange": "orange tangerine rust rusty terracotta оранжевый 橙",
    "amber": "amber honey",
    "gold": "gold golden gilded ochre doré dorado 金",
    "yellow": "yellow lemon gelb jaune amarillo giallo жёлтый 黄",
    "lime": "lime chartreuse acid",
    "green": "green grün vert verde зелёный 绿 緑",
    "emerald": "emerald jade malachite",
    "mint": "mint minty pistachio sage",
    "teal": "teal petrol",
    "turquoise": "turquoise aquamarine aqua türkis",
    "cyan": "cyan electric",
    "blue": "blue azure cobalt sapphire cerulean blau bleu azul blu синий 蓝 青",
    "navy": "navy",
    "indigo": "indigo",
    "violet": "violet lavender lilac amethyst mauve violett 紫",
    "purple": "purple plum lila pourpre morado viola фиолетовый",
    "magenta": "magenta fuchsia",
    "pink": "pink pinkish rosa cherry sakura розовый 粉",
    "rose": "rose blush",
    "coral": "salmon peach peachy apricot",
    "copper": "copper bronze brass",
    "brown": "brown sepia chocolate coffee",
    "bone": "bone ivory cream beige",
    "white": "white weiß blanc blanco bianco белый 白",
    "black": "black schwarz noir negro nero чёрный 黑 黒",
    "silver": "silver silvery platinum chrome steel",
    "monochrome": "monochrome grayscale greyscale black-and-white noir b&w grey gray",
}

MOVES: dict[str, str] = {
    "static": "static still tripod locked locked-off motionless fixed",
    "pan_left": "pan-left",
    "pan_right": "pan pans panning pan-right tracking sideways glide gliding dolly-left truck",
    "push": "dolly dollies push push-in pushes dolly-in "
    "forward approaching fly-through flythrough into towards closer",
    "pull": "pull-back pull-out dolly-out zoom-out pulling reveal reveals backwards retreat",
    "zoom": "zoom zooms zooming zoom-in close-up",
    "crane": "crane jib rising ascending tilt tilt-up lift",
    "drone": "drone aerial flyover overhead bird's-eye fpv flying soaring",
    "handheld": "handheld hand-held shaky documentary vérité",
    "orbit": "orbit orbits orbiting spin spinning rotate rotating rotation revolve turning swirling",
}

PACES: dict[float, str] = {
    5.0: "time-lapse timelapse hyperlapse",
    0.45: "slow-motion slow-mo slowmo slowmotion",
    0.7: "slow slowly calm serene gentle peaceful tranquil still",
    1.5: "fast rapid speeding rushing bustling racing",
}
